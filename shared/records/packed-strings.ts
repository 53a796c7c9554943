/**
 * Several strings in one, each of any bytes. A Lua script unpacks it without escaping or searching:
 *
 *     packed = length *( SP length ) LF *string     length: of a string, in bytes
 */
export function packStrings(strings: readonly (string | Buffer)[]): string | Buffer {
  const lengths = strings.map((one) => (typeof one === 'string' ? Buffer.byteLength(one) : one.length)).join(' ');
  if (strings.every((one) => typeof one === 'string')) return `${lengths}\n${strings.join('')}`;
  return Buffer.concat([lengths + '\n', ...strings].map((one) => (typeof one === 'string' ? Buffer.from(one) : one)));
}

/** They share memory with `packed`. */
export function unpackStrings(packed: Buffer): Buffer[] {
  const lf = packed.indexOf(10);
  let at = lf + 1;
  const lengths = packed.toString('latin1', 0, Math.max(0, lf)).split(' ');
  const strings = lengths
    .filter((length) => length !== '')
    .map((length) => packed.subarray(at, (at += Number(length))));
  if (lf === -1 || at !== packed.length) throw new Error('cannot unpack strings: their lengths do not add up');
  return strings;
}
