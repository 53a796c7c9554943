/**
 * Names that are not legacy names, in a path: `U__`, then the name with `_` doubled and every other character that
 * needs quotes as `_HEX_`. `my.label` is `U__my_2e_label`.
 * https://prometheus.io/docs/guides/utf8/ ("value encoding escaping")
 */
import { isLabelNameChar, isLegacyLabelName, isLegacyMetricName, isMetricNameChar } from './names.ts';

/** Returns a text that is not an escaped name as it is. */
export function unescapeName(escaped: string): string {
  if (!escaped.startsWith('U__')) return escaped;
  const body = escaped.slice(3);
  let out = '';
  for (let i = 0; i < body.length; i++) {
    if (body[i] !== '_') {
      out += body.charAt(i);
      continue;
    }
    const close = body.indexOf('_', i + 1);
    if (close < 0) return escaped;
    if (close === i + 1) {
      out += '_';
    } else {
      const hex = body.slice(i + 1, close);
      const code = /^[0-9a-f]{1,6}$/i.test(hex) ? Number.parseInt(hex, 16) : Infinity;
      if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return escaped;
      out += String.fromCodePoint(code);
    }
    i = close;
  }
  return out;
}

/** The inverse. Returns legacy names as they are: those of metrics may have colons, those of labels not. */
export function escapeName(name: string, kind: 'metric' | 'label'): string {
  const isValid = kind === 'metric' ? isMetricNameChar : isLabelNameChar;
  if (name === '' || (kind === 'metric' ? isLegacyMetricName(name) : isLegacyLabelName(name))) return name;
  let out = 'U__';
  let first = true;
  for (const char of name) {
    const code = char.codePointAt(0) ?? 0;
    const isLegacy = isValid(code) && !(first && code >= 0x30 && code <= 0x39);
    out += char === '_' ? '__' : isLegacy ? char : `_${code.toString(16)}_`;
    first = false;
  }
  return out;
}
