/**
 * gzip of a text that is kept in parts of which few change: each part is deflated alone, once, and the results are spliced into
 * one gzip member (several members would be legal, too, but not every client reads beyond the first).
 *
 *     header | part, deflated, ended on a byte boundary (sync flush) | … | an empty last block | CRC-32 and length of all
 *
 * https://www.rfc-editor.org/rfc/rfc1951 https://www.rfc-editor.org/rfc/rfc1952
 */
import { promisify } from 'node:util';
import { constants, crc32, deflateRaw } from 'node:zlib';
import { crc32Combine } from './crc32-combine.ts';

const deflate = promisify(deflateRaw);

const OPTIONS = { level: constants.Z_BEST_SPEED, finishFlush: constants.Z_SYNC_FLUSH };
/** Deflate; no name, no time; fastest; unknown system. */
const HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255]);
const LAST_BLOCK = Buffer.from([3, 0]);
/** Parts that are deflated at a time, in threads of libuv. */
const AHEAD = 4;

interface Deflated {
  readonly bytes: Buffer;
  readonly crc: number;
}

/** A part that did not change is the same buffer, so what was made of it is found again; it goes when the part goes. */
const made = new WeakMap<Buffer, Deflated | Promise<Deflated>>();

/** Its length, when every part has been deflated before; else undefined. */
export function splicedLength(parts: readonly Buffer[]): number | undefined {
  let length = HEADER.length + LAST_BLOCK.length + 8;
  for (const part of parts) {
    const done = made.get(part);
    if (done === undefined || done instanceof Promise) return undefined;
    length += done.bytes.length;
  }
  return length;
}

export async function* spliceGzip(parts: readonly Buffer[]): AsyncGenerator<Buffer> {
  yield HEADER;
  let crc = 0;
  let length = 0;
  for (const [i, part] of parts.entries()) {
    for (let ahead = i; ahead < Math.min(i + AHEAD, parts.length); ahead++) void deflated(parts[ahead] as Buffer);
    const now = deflated(part);
    const done = now instanceof Promise ? await now : now;
    yield done.bytes;
    crc = crc32Combine(crc, done.crc, part.length);
    length += part.length;
  }
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(crc, 0);
  trailer.writeUInt32LE(length % 2 ** 32, 4);
  yield Buffer.concat([LAST_BLOCK, trailer]);
}

function deflated(part: Buffer): Deflated | Promise<Deflated> {
  const known = made.get(part);
  if (known !== undefined) return known;
  const making = deflate(part, OPTIONS).then((bytes): Deflated => {
    const done = { bytes, crc: crc32(part) };
    made.set(part, done);
    return done;
  });
  // Whoever reads it is told.
  making.catch(() => made.delete(part));
  made.set(part, making);
  return making;
}
