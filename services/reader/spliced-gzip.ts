/**
 * gzip of a text that is kept in parts of which few change: each part is deflated alone, once, and the results are spliced into
 * one gzip member (several members would be legal, too, but not every client reads beyond the first).
 *
 *     header | part, deflated, ended on a byte boundary (sync flush) | … | an empty last block | CRC-32 and length of all
 *
 * What was made of a part stands in a block with that of its neighbours, so that sending takes few writes; a change makes
 * its own block anew, from the others' bytes in the old one. Nothing is kept twice, and nothing for longer than its part.
 *
 * Where a block ends is said by the parts themselves, so that one more or less of them moves no other block. And which blocks are the
 * same is told from the serials of their parts: thousands of them, each somewhere else in memory, would take longer than what changed.
 *
 * https://www.rfc-editor.org/rfc/rfc1951 https://www.rfc-editor.org/rfc/rfc1952
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { promisify } from 'node:util';
import { constants, crc32, deflateRaw, deflateRawSync, type ZlibOptions } from 'node:zlib';
import type { TextParts } from '../../shared/state/text-parts.ts';
import { crc32Join, crc32Shift } from './crc32-combine.ts';

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
/** Twice that on average: more are copied for each change, fewer take more writes. */
const MIN_PARTS_IN_BLOCK = 6;
const MAX_PARTS_IN_BLOCK = 4 * MIN_PARTS_IN_BLOCK;

/** Deflate; no name, no time; fastest; unknown system. */
const HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255]);
const LAST_BLOCK = Buffer.from([3, 0]);

/** What was made of a part: some bytes of a block. */
interface Deflated {
  readonly crc: number;
  readonly textBytes: number;
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
}

interface Block {
  readonly bytes: Buffer;
  /** Of the text. */
  readonly crc: number;
  readonly textBytes: number;
  readonly shift: number;
  readonly serials: readonly number[];
  readonly deflated: readonly Deflated[];
}

export interface SplicedGzip {
  readonly buffers: readonly Buffer[];
  readonly length: number;
}

interface Splice extends SplicedGzip {
  readonly serials: readonly number[];
  readonly blocks: readonly Block[];
}

/** The newest of each text, or that which is under way: those who ask meanwhile wait for what they would do again. */
const newest = new WeakMap<object, Promise<Splice>>();

/** The same answer again, as long as the parts are the same list. */
export async function spliceGzip(parts: TextParts): Promise<SplicedGzip> {
  const before = newest.get(parts.source);
  // One that failed has told whoever asked for it.
  const made = Promise.resolve(before)
    .catch(() => undefined)
    .then(async (one) => await splice(parts, one));
  newest.set(parts.source, made);
  return await made;
}

async function splice(parts: TextParts, before: Splice | undefined): Promise<Splice> {
  const { serials } = parts;
  if (before?.serials === serials) return before;
  const left = new Map(before?.blocks.map((block) => [block.serials[0], block]));
  const found: { readonly from: number; readonly to: number; readonly same: Block | undefined }[] = [];
  for (let from = 0; from < serials.length;) {
    const to = endOfBlock(serials, from);
    const block = left.get(serials[from]);
    const same = block !== undefined && isOf(block, serials, from, to) ? block : undefined;
    if (same !== undefined) left.delete(serials[from]);
    found.push({ from, to, same });
    from = to;
  }
  // Parts that did not change, of blocks that did.
  const known = new Map<number, Deflated>();
  for (const { serials: held, deflated } of left.values()) {
    for (const [i, one] of deflated.entries()) known.set(held[i] as number, one);
  }
  const blocks: Block[] = [];
  const deflater = new Deflater();
  for (const { from, to, same } of found) {
    if (same !== undefined) {
      blocks.push(same);
      continue;
    }
    const deflated: Deflated[] = [];
    for (let i = from; i < to; i++) {
      deflated.push(known.get(serials[i] as number) ?? (await deflater.deflate(parts.buffers[i] as Buffer)));
    }
    blocks.push(blockOf(serials.slice(from, to), deflated));
  }
  return { ...memberOf(blocks), serials, blocks };
}

/** A part ends a block, or does not, wherever it stands, but for those that begin one. */
function endOfBlock(serials: readonly number[], from: number): number {
  const most = Math.min(from + MAX_PARTS_IN_BLOCK, serials.length);
  let to = Math.min(from + MIN_PARTS_IN_BLOCK, most);
  while (to < most && (serials[to - 1] as number) % MIN_PARTS_IN_BLOCK !== 0) to++;
  return to;
}

function isOf(block: Block, serials: readonly number[], from: number, to: number): boolean {
  if (block.serials.length !== to - from) return false;
  for (let i = from; i < to; i++) if (block.serials[i - from] !== serials[i]) return false;
  return true;
}

function blockOf(serials: readonly number[], parts: readonly Deflated[]): Block {
  const bytes = Buffer.allocUnsafeSlow(parts.reduce((sum, { start, end }) => sum + end - start, 0));
  let crc = 0;
  let textBytes = 0;
  let offset = 0;
  const deflated = parts.map((one): Deflated => {
    crc = crc32Join(crc, one.crc, crc32Shift(one.textBytes));
    textBytes += one.textBytes;
    const start = offset;
    offset += one.bytes.copy(bytes, start, one.start, one.end);
    return { crc: one.crc, textBytes: one.textBytes, bytes, start, end: offset };
  });
  return { bytes, crc, textBytes, shift: crc32Shift(textBytes), serials, deflated };
}

function memberOf(blocks: readonly Block[]): SplicedGzip {
  const buffers: Buffer[] = [HEADER];
  let length = HEADER.length;
  let crc = 0;
  let textBytes = 0;
  for (const block of blocks) {
    buffers.push(block.bytes);
    length += block.bytes.length;
    crc = crc32Join(crc, block.crc, block.shift);
    textBytes += block.textBytes;
  }
  const trailer = Buffer.alloc(LAST_BLOCK.length + 8);
  LAST_BLOCK.copy(trailer);
  trailer.writeUInt32LE(crc, LAST_BLOCK.length);
  trailer.writeUInt32LE(textBytes % 2 ** 32, LAST_BLOCK.length + 4);
  buffers.push(trailer);
  return { buffers, length: length + trailer.length };
}

/** Deflates part after part, and lets others work in between. */
class Deflater {
  #sliceEnds = performance.now() + SLICE_MS;

  async deflate(part: Buffer): Promise<Deflated> {
    const bytes =
      part.length > IN_THREAD_BYTES ? await deflateInThread(part, OPTIONS) : deflateRawSync(part, fitting(part));
    if (performance.now() >= this.#sliceEnds) {
      await nextTurn();
      this.#sliceEnds = performance.now() + SLICE_MS;
    }
    return { crc: crc32(part), textBytes: part.length, bytes, start: 0, end: bytes.length };
  }
}

/** Most answers fit into one chunk, and none is much larger than the answer. */
function fitting(part: Buffer): ZlibOptions {
  const chunkSize = Math.max(1_024, part.length >> 2);
  return part.length > SMALL_BYTES ? { ...OPTIONS, chunkSize } : { ...SMALL, chunkSize };
}
