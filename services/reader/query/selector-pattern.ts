/**
 * Regular expressions in selectors. They are RE2, because any client may send one and matching must take linear time,
 * which JavaScript's own regular expressions do not guarantee.
 *
 * Most patterns are a text with `.*` before or after it, or a choice of texts; these are matched without the engine, as
 * in Prometheus (`FastRegexMatcher` in model/labels/regexp.go).
 */
import { RE2JS } from 're2js';

/** Number of values whose result is cached: many groups have the same value of a label. */
const MAX_KNOWN = 1_000;

const AROUND = /^(\.\*)?([^\\.+*?()|[\]{}^$]*)(\.\*)?$/;
const CHOICE = /^[^\\.+*?()[\]{}^$]*$/;

/** Returns a function that tests whether a whole value matches. Throws if the pattern is invalid. */
export function compilePattern(pattern: string): (value: string) => boolean {
  if (CHOICE.test(pattern)) {
    const choice = new Set(pattern.split('|'));
    return (value) => choice.has(value);
  }
  const around = AROUND.exec(pattern);
  if (around !== null) {
    const [, before, text = '', behind] = around;
    if (before === undefined) return (value) => value.startsWith(text);
    return behind === undefined ? (value) => value.endsWith(text) : (value) => value.includes(text);
  }
  const compiled = RE2JS.compile(pattern, RE2JS.DOTALL);
  const known = new Map<string, boolean>();
  return (value) => {
    let matches = known.get(value);
    if (matches === undefined) {
      matches = compiled.testExact(value);
      if (known.size < MAX_KNOWN) known.set(value, matches);
    }
    return matches;
  };
}
