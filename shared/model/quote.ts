/**
 * Quoting for error messages, as Go's `%q` writes it: the reasons then read like the official gateway's, stay on one line,
 * and whatever was sent cannot disturb a terminal or a log.
 */
import type { Labels } from './metric-family.ts';

/** A refused body can be megabytes without a blank: quote its beginning only. */
const MAX_QUOTED = 120;
const MAX_LABELS = 10;

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

/** Nothing to escape, and most texts are so. */
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

/** Like `strconv.Quote`, but what is longer than 120 characters ends in `…`. */
export function quote(text: string): string {
  let out = '"';
  for (const char of text.slice(0, MAX_QUOTED)) out += escape(char, '"');
  return text.length > MAX_QUOTED ? `${out}…"` : `${out}"`;
}

/** What would be between the quotes of `quote`, however long. */
export function escaped(text: string): string {
  if (PLAIN.test(text)) return text;
  let out = '';
  for (const char of text) out += escape(char, '"');
  return out;
}

/** The character at this place of the text, so that it can be seen. */
export function visible(text: string, at: number): string {
  return escape(String.fromCodePoint(text.codePointAt(at) ?? 0), '');
}

/** Like `strconv.QuoteRune`: the character at this place of the text. */
export function quoteCharAt(text: string, at: number): string {
  return `'${escape(String.fromCodePoint(text.codePointAt(at) ?? 0), "'")}'`;
}

/** Close to what protobuf's text format makes of them in the official messages; a blank after each, the first ten only. */
export function quoteLabels(labels: Labels): string {
  const shown = labels
    .slice(0, MAX_LABELS)
    .map(([name, value]) => `label:{name:${quote(name)} value:${quote(value)}} `);
  return shown.join('') + (labels.length > MAX_LABELS ? '… ' : '');
}
