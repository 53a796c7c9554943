/**
 * Numbers of the text format: those of Go's `strconv.ParseFloat`, without hexadecimal ones and `_`, which expfmt
 * forbids.
 *
 *     number   = [ "+" | "-" ] ( decimal | "inf" | "infinity" ) | "nan"        in any case
 *     decimal  = ( digits [ "." [ digits ] ] | "." digits ) [ "e" [ "+" | "-" ] digits ]
 *
 * A decimal that would round to infinity is out of range, and refused.
 */

const POWERS_OF_TEN = [1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

const SPECIAL = new Map([
  ['nan', NaN],
  ['inf', Infinity],
  ['+inf', Infinity],
  ['-inf', -Infinity],
  ['infinity', Infinity],
  ['+infinity', Infinity],
  ['-infinity', -Infinity],
]);

const isDigit = (code: number): boolean => code >= 0x30 && code <= 0x39;

/** The number in `text[start, end)`; undefined if that is not a number. */
export function parseFloatToken(text: string, start: number, end: number): number | undefined {
  let i = start;
  const sign = i < end ? text.charCodeAt(i) : 0;
  if (sign === 0x2b /* + */ || sign === 0x2d /* - */) i++;

  let mantissa = 0;
  let digits = 0;
  let code = 0;
  for (; i < end && isDigit((code = text.charCodeAt(i))); i++, digits++) mantissa = mantissa * 10 + (code - 0x30);
  let fraction = 0;
  if (i < end && text.charCodeAt(i) === 0x2e /* . */) {
    for (i++; i < end && isDigit((code = text.charCodeAt(i))); i++, fraction++)
      mantissa = mantissa * 10 + (code - 0x30);
    digits += fraction;
  }
  if (digits === 0) return SPECIAL.get(text.slice(start, Math.min(end, start + 10)).toLowerCase());

  if (i === end) {
    // Up to 15 digits, the mantissa and the power of ten are exact, so a single division rounds correctly.
    if (digits <= 15) {
      const value = fraction === 0 ? mantissa : mantissa / (POWERS_OF_TEN[fraction] ?? NaN);
      return sign === 0x2d ? -value : value;
    }
  } else {
    if ((text.charCodeAt(i) | 0x20) !== 0x65 /* e */) return undefined;
    i++;
    if (i < end && (text.charCodeAt(i) === 0x2b || text.charCodeAt(i) === 0x2d)) i++;
    if (i === end) return undefined;
    for (; i < end; i++) if (!isDigit(text.charCodeAt(i))) return undefined;
  }
  const value = Number(text.slice(start, end));
  return Number.isFinite(value) ? value : undefined;
}

/**
 * Converts a float to uint64 as Go does it on amd64, and the official parser for the count of a summary: fractions are
 * cut off, negative numbers wrap around, and what does not fit (NaN, infinity) becomes 2^63.
 */
export function toUint64(value: number): number {
  if (value >= 0 && value < 2 ** 64) return Math.trunc(value);
  if (value < 0 && value > -(2 ** 63)) return Number(BigInt.asUintN(64, BigInt(Math.trunc(value))));
  return 2 ** 63;
}
