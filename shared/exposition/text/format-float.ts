/**
 * `strconv.FormatFloat(f, 'g', -1, 64)`: like JavaScript, the fewest digits that identify the number, but with an
 * exponent (of at least two digits) from 1e+06 on and below 1e-04.
 * https://pkg.go.dev/strconv#FormatFloat
 */
export function formatFloat(n: number): string {
  const size = Math.abs(n);
  if (size < 1e6 && size >= 1e-4) return String(n);
  if (n === 0) return Object.is(n, -0) ? '-0' : '0';
  if (n === Infinity) return '+Inf';
  if (n === -Infinity) return '-Inf';
  if (n !== n) return 'NaN';
  const text = n.toExponential();
  // An exponent of one digit: "1.5e+6" → "1.5e+06". The sign is always there.
  const signAt = text.lastIndexOf('e') + 1;
  return text.length - signAt === 2 ? `${text.slice(0, signAt + 1)}0${text.slice(signAt + 1)}` : text;
}

/** `fmt.Sprint` of a uint64: all digits, where JavaScript writes zeros. The largest uint64 is 2^64 as a double. */
export function formatCount(n: number): string {
  if (n === 2 ** 64) return '18446744073709551615';
  return Number.isInteger(n) && n > Number.MAX_SAFE_INTEGER && n < 2 ** 64 ? BigInt(n).toString() : String(n);
}
