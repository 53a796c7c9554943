/**
 * gzip of a text in chunks, few of which change between versions: each chunk is deflated once, alone, and the results
 * are spliced into one gzip member. (Several members would be legal too, but not every client reads beyond the first.)
 *
 *     header | chunk, deflated up to a byte boundary (sync flush) | … | empty last block | CRC-32 and total length
 *
 * The deflated chunks are copied into blocks of neighbours, so that sending takes few writes. A change rebuilds only
 * its own block, from the bytes of the other chunks in the old one. Nothing is stored twice, and a version is released
 * when the next one is made.
 *
 * The serials of the chunks determine where a block ends, so inserting or removing a chunk moves no other block. Blocks
 * are compared by serials, too, because visiting thousands of chunks takes longer than deflating what changed.
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
 * In chunks of some kilobytes level 3 is as fast as level 1; in larger ones it is slower
 * (test/bench/spliced-gzip.bench.ts). The tables are small, because allocating larger ones takes as long as deflating.
 */
const SMALL_OPTIONS: ZlibOptions = { ...OPTIONS, level: 3, windowBits: 13, memLevel: 6 };
const SMALL_BYTES = 32 * 1024;
/** Size above which a chunk is deflated in a thread: passing it there takes as long as deflating this much here. */
const IN_THREAD_BYTES = 128 * 1024;
/**
 * Blocks have twice as many chunks on average. Larger blocks cost more copying per change, smaller ones more writes.
 */
const MIN_CHUNKS_IN_BLOCK = 8;
const MAX_CHUNKS_IN_BLOCK = 4 * MIN_CHUNKS_IN_BLOCK;
/** Average number of blocks in a run. */
const BLOCKS_IN_RUN = 16;
/** Number of old blocks compared with a new one. Unless much has changed, an unchanged block is among them. */
const LOOK_AHEAD = 8;

/** Method deflate; no file name, no time; fastest level; unknown operating system. */
const HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255]);
const LAST_BLOCK = Buffer.from([3, 0]);

/** A deflated chunk, stored in a block. */
interface Deflated {
  readonly crc: number;
  readonly textBytes: number;
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
}

/** CRC-32 and size of a text; `shift` is `crc32Shift` of its size. */
interface Checksum {
  readonly crc: number;
  readonly textBytes: number;
  readonly shift: number;
}

interface Block extends Checksum {
  readonly bytes: Buffer;
  readonly deflated: readonly Deflated[];
  /** The serial of the first chunk. */
  readonly serial: number;
}

/** Successive blocks with their common checksum; combining the checksums of all blocks would take too long. */
interface Run extends Checksum {
  readonly blocks: readonly Block[];
}

export interface SplicedGzip {
  readonly buffers: readonly Buffer[];
  readonly length: number;
}

interface Splice extends SplicedGzip {
  readonly serials: readonly number[];
  readonly blocks: readonly Block[];
  /** For each block: the index of the chunk after its last. */
  readonly ends: readonly number[];
  readonly runs: readonly Run[];
}

const NONE: Splice = { buffers: [], length: 0, serials: [], blocks: [], ends: [], runs: [] };

/** The latest result for each text. It may be pending: concurrent scrapes of one version then share the work. */
const latest = new WeakMap<object, Promise<Splice>>();

/** Returns the same result again for the same version of a text. */
export async function spliceGzip(chunks: TextChunks): Promise<SplicedGzip> {
  const before = latest.get(chunks.source) ?? Promise.resolve(NONE);
  // A failure has already been reported to the caller that started it.
  const made = before.catch(() => NONE).then(async (one) => await splice(chunks, one));
  latest.set(chunks.source, made);
  return await made;
}

async function splice({ buffers, serials }: TextChunks, before: Splice): Promise<Splice> {
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
      deflated.push(known.get(serials[at] as number) ?? (await deflate(buffers[at] as Buffer)));
      if (slices.isOver) await slices.next();
    }
    blocks.push(blockOf(serials[from] as number, deflated));
  }
  const runs = runsOf(blocks, before.runs);
  return { ...memberOf(blocks, runs), serials, blocks, ends, runs };
}

/** Index after the last chunk of the block that begins at `from`; within the limits, serials decide. */
function endOfBlock(serials: readonly number[], from: number): number {
  const max = Math.min(from + MAX_CHUNKS_IN_BLOCK, serials.length);
  let to = Math.min(from + MIN_CHUNKS_IN_BLOCK, max);
  while (to < max && (serials[to - 1] as number) % MIN_CHUNKS_IN_BLOCK !== 0) to++;
  return to;
}

/** Index of the old block with exactly these chunks, among the LOOK_AHEAD ones from `next` on; -1 if none. */
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

/** The deflated chunks of the blocks that are not kept, by serial: most chunks of a changed block are unchanged. */
function deflatedIn({ serials, blocks, ends }: Splice, isKept: Uint8Array): Map<number, Deflated> {
  const found = new Map<number, Deflated>();
  for (let at = isKept.indexOf(0); at !== -1; at = isKept.indexOf(0, at + 1)) {
    const block = blocks[at] as Block;
    const start = ends[at - 1] ?? 0;
    for (const [i, one] of block.deflated.entries()) found.set(serials[start + i] as number, one);
  }
  return found;
}

function blockOf(serial: number, chunks: readonly Deflated[]): Block {
  const bytes = Buffer.allocUnsafeSlow(chunks.reduce((sum, { start, end }) => sum + end - start, 0));
  let crc = 0;
  let textBytes = 0;
  let offset = 0;
  const deflated = chunks.map((one): Deflated => {
    crc = crc32Join(crc, one.crc, crc32Shift(one.textBytes));
    textBytes += one.textBytes;
    const start = offset;
    offset += one.bytes.copy(bytes, start, one.start, one.end);
    return { crc: one.crc, textBytes: one.textBytes, bytes, start, end: offset };
  });
  return { bytes, deflated, serial, crc, textBytes, shift: crc32Shift(textBytes) };
}

/** Groups blocks into runs, reusing the old runs that have not changed. */
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

/** Uses the bits above those that end a block, which chunks created together have in common. */
function endsRun({ serial }: Block): boolean {
  return Math.floor(serial / MIN_CHUNKS_IN_BLOCK) % BLOCKS_IN_RUN === 0;
}

function runOf(blocks: readonly Block[]): Run {
  const { crc, textBytes } = combine(blocks);
  return { blocks, crc, textBytes, shift: crc32Shift(textBytes) };
}

function combine(checksums: readonly Checksum[]): Pick<Checksum, 'crc' | 'textBytes'> {
  let crc = 0;
  let textBytes = 0;
  for (const one of checksums) {
    crc = crc32Join(crc, one.crc, one.shift);
    textBytes += one.textBytes;
  }
  return { crc, textBytes };
}

function memberOf(blocks: readonly Block[], runs: readonly Run[]): SplicedGzip {
  const { crc, textBytes } = combine(runs);
  const trailer = Buffer.alloc(LAST_BLOCK.length + 8);
  LAST_BLOCK.copy(trailer);
  trailer.writeUInt32LE(crc, LAST_BLOCK.length);
  trailer.writeUInt32LE(textBytes % 2 ** 32, LAST_BLOCK.length + 4);
  const buffers = [HEADER, ...blocks.map(({ bytes }) => bytes), trailer];
  return { buffers, length: buffers.reduce((sum, { length }) => sum + length, 0) };
}

async function deflate(chunk: Buffer): Promise<Deflated> {
  const bytes =
    chunk.length > IN_THREAD_BYTES ? await deflateInThread(chunk, OPTIONS) : deflateRawSync(chunk, optionsFor(chunk));
  return { crc: crc32(chunk), textBytes: chunk.length, bytes, start: 0, end: bytes.length };
}

/** `chunkSize` is the size of zlib's output buffers: most results fit into one, and little of it is left unused. */
function optionsFor(chunk: Buffer): ZlibOptions {
  const chunkSize = Math.max(1_024, chunk.length >> 2);
  return chunk.length > SMALL_BYTES ? { ...OPTIONS, chunkSize } : { ...SMALL_OPTIONS, chunkSize };
}
