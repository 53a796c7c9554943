/**
 * gzip of a text that is kept in parts of which few change: each part is deflated alone, once, and the results are spliced into
 * one gzip member (several members would be legal, too, but not every client reads beyond the first).
 *
 *     header | part, deflated, ended on a byte boundary (sync flush) | … | an empty last block | CRC-32 and length of all
 *
 * What was made of a part stands in a block with that of its neighbours, so that sending takes few writes; a change makes
 * its own block anew, from the others' bytes in the old one. Nothing is kept twice, and nothing for longer than its part.
 *
 * https://www.rfc-editor.org/rfc/rfc1951 https://www.rfc-editor.org/rfc/rfc1952
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { promisify } from 'node:util';
import { constants, crc32, deflateRaw, deflateRawSync, type ZlibOptions } from 'node:zlib';
import { crc32Combine } from './crc32-combine.ts';

const deflateInThread = promisify(deflateRaw);

const OPTIONS: ZlibOptions = { level: constants.Z_BEST_SPEED, finishFlush: constants.Z_SYNC_FLUSH };
/**
 * Level 3 takes no longer than 1 in parts of some kilobytes, and longer in larger ones: test/bench/spliced-gzip.bench.ts.
 * Tables are no larger than such a part needs: making them takes as long as deflating.
 */
const SMALL: ZlibOptions = { ...OPTIONS, level: 3, windowBits: 13, memLevel: 6 };
const SMALL_BYTES = 32 * 1024;
/** Handing a part to a thread takes about as long as deflating so much of it here. */
const IN_THREAD_BYTES = 128 * 1024;
/** Deflating here gives way to other work after so long. */
const SLICE_MS = 5;
const PARTS_IN_BLOCK = 16;

/** Deflate; no name, no time; fastest; unknown system. */
const HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255]);
const LAST_BLOCK = Buffer.from([3, 0]);

/** What was made of a part: these bytes of a block. */
interface Deflated {
  readonly crc: number;
  readonly textBytes: number;
  block: Block;
  start: number;
  end: number;
}

interface Block {
  readonly bytes: Buffer;
  /** Of the text. */
  readonly crc: number;
  readonly textBytes: number;
  /** In this order, and nothing else. Some may have moved to a newer block. */
  readonly holds: readonly Deflated[];
}

export interface SplicedGzip {
  readonly buffers: readonly Buffer[];
  readonly length: number;
}

/**
 * A part that did not change is the same buffer, so what was made of it is found again, on the buffer itself: each scrape
 * after a change looks at every part, and a WeakMap of thousands would cost more than what has changed.
 */
const MADE = Symbol('deflated');
type Part = Buffer & { [MADE]?: Deflated };
/** By the list of parts, which is the same, too, if none of them changed. */
const known = new WeakMap<readonly Buffer[], SplicedGzip>();

/** Neither the list nor the parts may be written to, ever. */
export async function spliceGzip(parts: readonly Buffer[]): Promise<SplicedGzip> {
  const before = known.get(parts);
  if (before !== undefined) return before;
  const buffers: Buffer[] = [HEADER];
  let length = HEADER.length;
  let crc = 0;
  let textBytes = 0;
  let sliceEnds = performance.now() + SLICE_MS;
  for (let first = 0; first < parts.length; first += PARTS_IN_BLOCK) {
    const inBlock: readonly Part[] = parts.slice(first, first + PARTS_IN_BLOCK);
    for (const part of inBlock) {
      if (part[MADE] !== undefined) continue;
      part[MADE] = part.length > IN_THREAD_BYTES ? await deflatedInThread(part) : deflatedHere(part);
      if (performance.now() < sliceEnds) continue;
      await nextTurn();
      sliceEnds = performance.now() + SLICE_MS;
    }
    const block = blockOf(inBlock);
    buffers.push(block.bytes);
    length += block.bytes.length;
    crc = crc32Combine(crc, block.crc, block.textBytes);
    textBytes += block.textBytes;
  }
  const trailer = Buffer.alloc(LAST_BLOCK.length + 8);
  LAST_BLOCK.copy(trailer);
  trailer.writeUInt32LE(crc, LAST_BLOCK.length);
  trailer.writeUInt32LE(textBytes % 2 ** 32, LAST_BLOCK.length + 4);
  buffers.push(trailer);
  const result: SplicedGzip = { buffers, length: length + trailer.length };
  known.set(parts, result);
  return result;
}

/** All of them have been deflated. */
function blockOf(parts: readonly Part[]): Block {
  const holds = parts.map((part) => part[MADE] as Deflated);
  const before = holds[0]?.block;
  if (before?.holds.length === holds.length && before.holds.every((one, i) => one === holds[i])) return before;
  const bytes = Buffer.allocUnsafeSlow(holds.reduce((sum, { start, end }) => sum + end - start, 0));
  let crc = 0;
  let textBytes = 0;
  for (const one of holds) {
    crc = crc32Combine(crc, one.crc, one.textBytes);
    textBytes += one.textBytes;
  }
  const block: Block = { bytes, crc, textBytes, holds };
  let offset = 0;
  for (const one of holds) {
    one.block.bytes.copy(bytes, offset, one.start, one.end);
    const length = one.end - one.start;
    one.block = block;
    one.start = offset;
    offset += length;
    one.end = offset;
  }
  return block;
}

function deflatedHere(part: Buffer): Deflated {
  return alone(part, deflateRawSync(part, fitting(part)));
}

async function deflatedInThread(part: Buffer): Promise<Deflated> {
  return alone(part, await deflateInThread(part, OPTIONS));
}

/** In a block of its own, until it gets a place in another. */
function alone(part: Buffer, bytes: Buffer): Deflated {
  const crc = crc32(part);
  const holds: Deflated[] = [];
  const block: Block = { bytes, crc, textBytes: part.length, holds };
  const one: Deflated = { crc, textBytes: part.length, block, start: 0, end: bytes.length };
  holds.push(one);
  return one;
}

/** Most answers fit into one chunk, and none is much larger than the answer. */
function fitting(part: Buffer): ZlibOptions {
  const chunkSize = Math.max(1_024, part.length >> 2);
  return part.length > SMALL_BYTES ? { ...OPTIONS, chunkSize } : { ...SMALL, chunkSize };
}
