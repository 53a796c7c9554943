/**
 * Patterns of selectors. They are RE2: whoever may read can send one, so it must not take longer than its input is long, which
 * JavaScript's own do not promise.
 *
 * Most are a text with `.*` before or behind it, or a few texts to choose from; those need no engine, as in Prometheus
 * (`FastRegexMatcher` of its model/labels/regexp.go).
 */
import { RE2JS } from 're2js';

/** Values whose answer is kept: many groups share those of some labels. */
const MAX_KNOWN = 1_000;

const AROUND = /^(\.\*)?([^\\.+*?()|[\]{}^$]*)(\.\*)?$/;
const CHOICE = /^[^\\.+*?()[\]{}^$]*$/;

/** Says whether all of a value is like the pattern. Throws for what is no pattern. */
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
