/**
 * The CRC-32 of two texts one behind the other, from the CRC of each: the first is shifted by the length of the second, which
 * is a multiplication by x^(8 * length) modulo the polynomial, over GF(2). The same way as zlib's crc32_combine.
 * https://www.rfc-editor.org/rfc/rfc1952#section-8
 */
const POLYNOMIAL = 0xedb88320;
/** x^0; the highest bit stands for the lowest power. */
const ONE = 0x80000000;

/** x^(2^n), for n = 0 … 31; from there on they repeat. */
const SQUARES: readonly number[] = squares();

/** Shifts of short texts, once they have been computed; 0 is none of them. */
const SHORT = new Uint32Array(16 * 1024);

/** `shift` is `crc32Shift` of the length of the second. */
export function crc32Join(first: number, second: number, shift: number): number {
  return (multiply(shift, first) ^ second) >>> 0;
}

/** x^(8 * bytes). */
export function crc32Shift(bytes: number): number {
  const known = SHORT[bytes] ?? 0;
  if (known !== 0) return known;
  const shift = power(bytes);
  if (bytes < SHORT.length) SHORT[bytes] = shift;
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
