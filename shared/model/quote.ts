/**
 * Quoting for messages, as Go's `%q` does it: reasons read like those of the official gateway, stay on one line, and
 * cannot disturb a terminal or a log.
 */
import type { Labels } from './metric-family.ts';

/** A refused body can have megabytes without a blank, so only the beginning is quoted. */
const MAX_QUOTED_CHARS = 120;
const MAX_QUOTED_LABELS = 10;

const SHORT: Record<string, string> = {
  '\x07': String.raw`\a`,
  '\b': String.raw`\b`,
  '\f': String.raw`\f`,
  '\n': String.raw`\n`,
  '\r': String.raw`\r`,
  '\t': String.raw`\t`,
  '\v': String.raw`\v`,
  '\\': '\\\\',
};

const PRINTABLE = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u;

/** Most texts have nothing to escape. */
const PLAIN = /^[ !#-[\]-~]*$/;

function escape(char: string, delimiter: string): string {
  if (char === delimiter) return `\\${char}`;
  const short = SHORT[char];
  if (short !== undefined) return short;
  if (PRINTABLE.test(char)) return char;
  const code = char.codePointAt(0) ?? 0;
  if (code < 0x20 || code === 0x7f) return `\\x${code.toString(16).padStart(2, '0')}`;
  return code > 0xffff ? `\\U${code.toString(16).padStart(8, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`;
}

/** Like `strconv.Quote`, but a text of more than 120 characters ends in `…`. */
export function quote(text: string): string {
  return text.length > MAX_QUOTED_CHARS ? `"${escaped(text.slice(0, MAX_QUOTED_CHARS))}…"` : `"${escaped(text)}"`;
}

/** The text between the quotes, however long. */
export function escaped(text: string): string {
  return PLAIN.test(text) ? text : Array.from(text, (char) => escape(char, '"')).join('');
}

/** The character at this place of the text, escaped if it cannot be seen. */
export function visible(text: string, at: number): string {
  return escape(String.fromCodePoint(text.codePointAt(at) ?? 0), '');
}

/** Like `strconv.QuoteRune`: the character at this place of the text. */
export function quoteCharAt(text: string, at: number): string {
  return `'${escape(String.fromCodePoint(text.codePointAt(at) ?? 0), "'")}'`;
}

/** The first ten labels as in protobuf's text format, which the official messages contain; a blank after each. */
export function quoteLabels(labels: Labels): string {
  const quoted = labels
    .slice(0, MAX_QUOTED_LABELS)
    .map(([name, value]) => `label:{name:${quote(name)} value:${quote(value)}} `);
  return quoted.join('') + (labels.length > MAX_QUOTED_LABELS ? '… ' : '');
}
