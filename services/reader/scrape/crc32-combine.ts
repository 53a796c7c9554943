/**
 * The CRC-32 of two concatenated texts, computed from the CRC of each: that of the first is shifted by the length of
 * the second, which is a multiplication by x^(8 * length) modulo the polynomial, over GF(2), as in zlib.
 * https://www.rfc-editor.org/rfc/rfc1952#section-8
 */
const POLYNOMIAL = 0xedb88320;
/** x^0; the highest bit is the coefficient of the lowest power. */
const ONE = 0x80000000;

/** x^(2^n) for n = 0 … 31; for larger n they repeat. */
const SQUARES: readonly number[] = squares();

/** Cache of the shifts of short texts; 0, which no shift is, means not computed yet. */
const shortShifts = new Uint32Array(16 * 1024);

/** `shift` is `crc32Shift` of the length of the second text. */
export function crc32Join(first: number, second: number, shift: number): number {
  return (multiply(shift, first) ^ second) >>> 0;
}

/** x^(8 * bytes) modulo the polynomial. */
export function crc32Shift(bytes: number): number {
  const known = shortShifts[bytes] ?? 0;
  if (known !== 0) return known;
  const shift = power(bytes);
  if (bytes < shortShifts.length) shortShifts[bytes] = shift;
  return shift;
}

function power(bytes: number): number {
  let product = ONE;
  // 8 = 2^3
  for (let n = 3, left = bytes; left > 0; n++, left = Math.floor(left / 2)) {
    if (left % 2 === 1) product = multiply(SQUARES[n & 31] as number, product);
  }
  return product;
}

function multiply(a: number, b: number): number {
  let product = 0;
  let factor = b;
  for (let mask = ONE; mask !== 0; mask >>>= 1) {
    if ((a & mask) !== 0) product ^= factor;
    factor = (factor & 1) === 0 ? factor >>> 1 : (factor >>> 1) ^ POLYNOMIAL;
  }
  return product >>> 0;
}

function squares(): number[] {
  const all = [ONE >>> 1];
  while (all.length < 32) {
    const last = all.at(-1) as number;
    all.push(multiply(last, last));
  }
  return all;
}
