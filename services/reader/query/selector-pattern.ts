/**
 * Most regular expressions in selectors are a text with `.*` before or after it, or a choice of texts. These are
 * matched here, without an engine, as in Prometheus (`FastRegexMatcher` in model/labels/regexp.go); the others in a
 * thread (pattern-matcher.ts).
 */
const AROUND = /^(\.\*)?([^\\.+*?()|[\]{}^$]*)(\.\*)?$/;
const CHOICE = /^[^\\.+*?()[\]{}^$]*$/;

/** Returns a function that tests whether a whole value matches; undefined for a pattern that needs the engine. */
export function simpleTest(pattern: string): ((value: string) => boolean) | undefined {
  if (CHOICE.test(pattern)) {
    const choice = new Set(pattern.split('|'));
    return (value) => choice.has(value);
  }
  const around = AROUND.exec(pattern);
  if (around === null) return undefined;
  const [, before, text = '', behind] = around;
  if (before === undefined) return (value) => value.startsWith(text);
  return behind === undefined ? (value) => value.endsWith(text) : (value) => value.includes(text);
}
