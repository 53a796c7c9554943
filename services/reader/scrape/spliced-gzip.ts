/**
 * gzip of a text that is kept in parts of which few change: each part is deflated alone, once, and the results are spliced into
 * one gzip member (several members would be legal, too, but not every client reads beyond the first).
 *
 *     header | part, deflated, ended on a byte boundary (sync flush) | … | an empty last block | CRC-32 and length of all
 *
 * What was made of a part stands in a block with that of its neighbours, so that sending takes few writes; a change makes
 * its own block anew, from the others' bytes in the old one. Nothing is kept twice, and nothing once the next version is made.
 *
 * Where a block ends is said by the parts themselves, so that one more or less of them moves no other block. And which blocks are the
 * same is told from the serials of their parts: thousands of them, each somewhere else in memory, would take longer than what changed.
 *
 * https://www.rfc-editor.org/rfc/rfc1951 https://www.rfc-editor.org/rfc/rfc1952
 */
import { promisify } from 'node:util';
import { constants, crc32, deflateRaw, deflateRawSync, type ZlibOptions } from 'node:zlib';
import { Slices } from '../../../shared/async/time-slices.ts';
import type { TextChunks } from '../text/text-chunks.ts';
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
/** Twice that on average: more are copied for each change, fewer take more writes. */
const MIN_PARTS_IN_BLOCK = 8;
const MAX_PARTS_IN_BLOCK = 4 * MIN_PARTS_IN_BLOCK;
/** On average. */
const BLOCKS_IN_RUN = 16;
/** A block that is still there is no further from its place than this, in blocks, but where much has changed. */
const LOOK_AHEAD = 8;

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

/** Text and what its CRC is; `shift` is that of its length. */
interface Summed {
  readonly crc: number;
  readonly textBytes: number;
  readonly shift: number;
}

interface Block extends Summed {
  readonly bytes: Buffer;
  readonly deflated: readonly Deflated[];
  /** Of its first part. */
  readonly serial: number;
}

/** Blocks of which there is one sum, for adding up that of each takes long, too. */
interface Run extends Summed {
  readonly blocks: readonly Block[];
}

export interface SplicedGzip {
  readonly buffers: readonly Buffer[];
  readonly length: number;
}

interface Splice extends SplicedGzip {
  readonly serials: readonly number[];
  readonly blocks: readonly Block[];
  /** Behind which part each block ends. */
  readonly ends: readonly number[];
  readonly runs: readonly Run[];
}

const NONE: Splice = { buffers: [], length: 0, serials: [], blocks: [], ends: [], runs: [] };

/** The newest of each text, or that which is under way: those who ask meanwhile wait for what they would do again. */
const newest = new WeakMap<object, Promise<Splice>>();

/** The same answer again, as long as the parts are the same list. */
export async function spliceGzip(parts: TextChunks): Promise<SplicedGzip> {
  const before = newest.get(parts.source) ?? Promise.resolve(NONE);
  // One that failed has told whoever asked for it.
  const made = before.catch(() => NONE).then(async (one) => await splice(parts, one));
  newest.set(parts.source, made);
  return await made;
}

async function splice(parts: TextChunks, before: Splice): Promise<Splice> {
  const { serials } = parts;
  if (before.serials === serials) return before;
  const same: (Block | undefined)[] = [];
  const ends: number[] = [];
  const isKept = new Uint8Array(before.blocks.length);
  for (let from = 0, next = 0; from < serials.length;) {
    const to = endOfBlock(serials, from);
    const at = findSame(before, next, serials, from, to);
    const block = at === -1 ? undefined : before.blocks[at];
    if (block !== undefined) {
      isKept[at] = 1;
      next = at + 1;
    }
    same.push(block);
    ends.push(to);
    from = to;
  }
  const known = deflatedIn(before, isKept);
  const blocks: Block[] = [];
  const slices = new Slices();
  for (const [i, block] of same.entries()) {
    if (block !== undefined) {
      blocks.push(block);
      continue;
    }
    const from = ends[i - 1] ?? 0;
    const deflated: Deflated[] = [];
    for (let at = from; at < (ends[i] as number); at++) {
      deflated.push(known.get(serials[at] as number) ?? (await deflate(parts.buffers[at] as Buffer)));
      if (slices.isOver) await slices.next();
    }
    blocks.push(blockOf(serials[from] as number, deflated));
  }
  const runs = runsOf(blocks, before.runs);
  return { ...memberOf(blocks, runs), serials, blocks, ends, runs };
}

/** A part ends a block, or does not, wherever it stands, but for those that begin one. */
function endOfBlock(serials: readonly number[], from: number): number {
  const most = Math.min(from + MAX_PARTS_IN_BLOCK, serials.length);
  let to = Math.min(from + MIN_PARTS_IN_BLOCK, most);
  while (to < most && (serials[to - 1] as number) % MIN_PARTS_IN_BLOCK !== 0) to++;
  return to;
}

/** Which block from `next` on is of these parts; -1 if none of the few that can be expected to. */
function findSame(
  { serials: held, ends }: Splice,
  next: number,
  serials: readonly number[],
  from: number,
  to: number,
): number {
  for (let at = next; at < Math.min(next + LOOK_AHEAD, ends.length); at++) {
    const start = at === 0 ? 0 : (ends[at - 1] as number);
    if (held[start] !== serials[from]) continue;
    if (ends[at] !== start + to - from) return -1;
    for (let i = from + 1; i < to; i++) if (held[start + i - from] !== serials[i]) return -1;
    return at;
  }
  return -1;
}

/** What was made of the parts of the other blocks, by their serials: most of them did not change. */
function deflatedIn({ serials, blocks, ends }: Splice, isKept: Uint8Array): Map<number, Deflated> {
  const found = new Map<number, Deflated>();
  for (let at = isKept.indexOf(0); at !== -1; at = isKept.indexOf(0, at + 1)) {
    const block = blocks[at] as Block;
    const start = ends[at - 1] ?? 0;
    for (const [i, one] of block.deflated.entries()) found.set(serials[start + i] as number, one);
  }
  return found;
}

function blockOf(serial: number, parts: readonly Deflated[]): Block {
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
  return { bytes, deflated, serial, crc, textBytes, shift: crc32Shift(textBytes) };
}

/** Like blocks of parts, runs of blocks end where these say. */
function runsOf(blocks: readonly Block[], before: readonly Run[]): Run[] {
  const known = new Map(before.map((run) => [run.blocks[0], run]));
  const runs: Run[] = [];
  for (let from = 0; from < blocks.length;) {
    let to = from + 1;
    while (to < blocks.length && !endsRun(blocks[to - 1] as Block)) to++;
    const run = known.get(blocks[from]);
    const isSame = run?.blocks.length === to - from && run.blocks.every((block, i) => block === blocks[from + i]);
    runs.push(isSame ? run : runOf(blocks.slice(from, to)));
    from = to;
  }
  return runs;
}

/** By what stands above the bits that say where blocks begin: those are the same for blocks whose parts were made one after the other. */
function endsRun({ serial }: Block): boolean {
  return Math.floor(serial / MIN_PARTS_IN_BLOCK) % BLOCKS_IN_RUN === 0;
}

function runOf(blocks: readonly Block[]): Run {
  const { crc, textBytes } = sumOf(blocks);
  return { blocks, crc, textBytes, shift: crc32Shift(textBytes) };
}

function sumOf(all: readonly Summed[]): Pick<Summed, 'crc' | 'textBytes'> {
  let crc = 0;
  let textBytes = 0;
  for (const one of all) {
    crc = crc32Join(crc, one.crc, one.shift);
    textBytes += one.textBytes;
  }
  return { crc, textBytes };
}

function memberOf(blocks: readonly Block[], runs: readonly Run[]): SplicedGzip {
  const { crc, textBytes } = sumOf(runs);
  const trailer = Buffer.alloc(LAST_BLOCK.length + 8);
  LAST_BLOCK.copy(trailer);
  trailer.writeUInt32LE(crc, LAST_BLOCK.length);
  trailer.writeUInt32LE(textBytes % 2 ** 32, LAST_BLOCK.length + 4);
  const buffers = [HEADER, ...blocks.map(({ bytes }) => bytes), trailer];
  return { buffers, length: buffers.reduce((sum, { length }) => sum + length, 0) };
}

async function deflate(part: Buffer): Promise<Deflated> {
  const bytes =
    part.length > IN_THREAD_BYTES ? await deflateInThread(part, OPTIONS) : deflateRawSync(part, fitting(part));
  return { crc: crc32(part), textBytes: part.length, bytes, start: 0, end: bytes.length };
}

/** Most answers fit into one chunk, and none is much larger than the answer. */
function fitting(part: Buffer): ZlibOptions {
  const chunkSize = Math.max(1_024, part.length >> 2);
  return part.length > SMALL_BYTES ? { ...OPTIONS, chunkSize } : { ...SMALL, chunkSize };
}
