/**
 * A long text made of many entries in the order of their keys, few of which change at a time. It is kept in segments of
 * some kilobytes. A change rebuilds only its own segment, and reading returns the buffers of the segments as they are.
 *
 * Returned buffers are never written to again: a response that is still being sent stays intact.
 *
 * A segment is one joined buffer with the end of each entry. Changes wait beside it until the next read.
 *
 * A key has two parts, compared one after the other. Both are strings that exist elsewhere anyway; one string made of
 * them would take more memory than most entries and would have to be created for each change.
 *
 * Before the first read there are no segments: entries are only collected (bulk-load.ts).
 */
import { BulkLoad, type Entry } from './bulk-load.ts';
import { nextSerial, type TextChunks } from './text-chunks.ts';
import { compare, isAt, lowerBound, Segment, segmentOf, type Key } from './text-segment.ts';
import { TextSlab, type Slice } from './text-slab.ts';

/**
 * Segments are split above twice this size. Small, because a change copies its segment and has it compressed again;
 * still smaller segments gain little and compress worse (docs/performance.md, test/bench/spliced-gzip.bench.ts).
 */
const SEGMENT_BYTES = 8 * 1024;
/** Size of the changes that a bulk load takes before segments are built: replaced text stays in memory until then. */
const LOAD_CHANGES_BYTES = 1024 * 1024;
/** Added to the size of each change, to bound their number too. */
const LOAD_CHANGE_BYTES = 1024;

export class SegmentedText {
  readonly #segments: Segment[] = [
    new Segment({ family: '', order: '' }, { families: [], orders: [] }, [], Buffer.alloc(0)),
  ];
  /** Buffer and serial of each segment, in arrays: looking up thousands of objects takes longer than a change. */
  readonly #buffers: Buffer[] = [Buffer.alloc(0)];
  readonly #serials: number[] = [nextSerial()];
  #bytes = 0;
  readonly #dirty = new Set<Segment>();
  /** The latest version returned; undefined after a change. */
  #chunks: TextChunks | undefined;
  readonly #segmentBytes: number;
  readonly #slab = new TextSlab();
  /** All entries, until segments are built for the first read. */
  #load: BulkLoad | undefined = new BulkLoad();
  #loadChangesBytes = 0;
  /** Defined while segments are being built. */
  #building: Iterator<undefined> | undefined;

  constructor(segmentBytes = SEGMENT_BYTES) {
    this.#segmentBytes = segmentBytes;
  }

  /** As `set`, for a key that has no text yet. Cheaper before the first read. */
  add(family: string, order: string, text: Buffer | string): number {
    if (this.#load === undefined || this.#building !== undefined) return this.set(family, order, text);
    return this.#load.add(family, order, text);
  }

  /** Copies the text. Returns its size in bytes. */
  set(family: string, order: string, text: Buffer | string): number {
    const load = this.#loadForChange(text.length);
    if (load !== undefined) return load.add(family, order, text);
    const slice = this.#slab.put(text);
    this.#change(family, order, slice);
    return slice.end - slice.start;
  }

  delete(family: string, order: string): void {
    const load = this.#loadForChange(0);
    if (load === undefined) this.#change(family, order, null);
    else load.add(family, order, null);
  }

  /** May share memory with the segment. */
  get(family: string, order: string): Buffer | undefined {
    const latest = this.#load?.latest(family, order);
    if (latest !== undefined) return latest.bytes.subarray(latest.start, latest.end);
    this.#finishLoad();
    return this.#find(family, order).get(family, order);
  }

  /** The first key above this one. */
  next(family: string, order: string): Key | undefined {
    this.#finishLoad();
    for (let i = this.#index(family, order); i < this.#segments.length;) {
      const segment = this.#segments[i] as Segment;
      if (this.#dirty.has(segment)) {
        // Joining may split or remove the segment, so check this index again.
        this.#join(segment);
        continue;
      }
      const { families, orders } = segment.keys;
      const lower = lowerBound(segment.keys, family, order);
      const at = isAt(segment.keys, lower, family, order) ? lower + 1 : lower;
      if (at < segment.size) return { family: families[at] as string, order: orders[at] as string };
      i++;
    }
    return undefined;
  }

  /** Joins changed segments until `isOver()`; returns the number of steps left. */
  applyPending(isOver: () => boolean): number {
    if (!this.#finishLoad(isOver)) return 1 + this.#dirty.size;
    for (const segment of this.#dirty) {
      this.#join(segment);
      if (isOver()) break;
    }
    return this.#dirty.size;
  }

  /** The entries of the current text, in order. Later changes do not affect them. */
  entries(): Iterable<Entry> {
    this.chunks();
    return entriesOf(this.#segments.map(({ keys, ends, joined }) => ({ keys, ends, joined })));
  }

  /** The whole text; the same object again if nothing has changed. */
  chunks(): TextChunks {
    this.#finishLoad();
    for (const segment of this.#dirty) this.#join(segment);
    this.#chunks ??= { buffers: [...this.#buffers], serials: [...this.#serials], bytes: this.#bytes, source: this };
    return this.#chunks;
  }

  /** Where to put a change of this size before the first read; undefined if it has to go to a segment. */
  #loadForChange(bytes: number): BulkLoad | undefined {
    if (this.#load === undefined) return undefined;
    this.#loadChangesBytes += LOAD_CHANGE_BYTES + bytes;
    if (this.#building === undefined && this.#loadChangesBytes <= LOAD_CHANGES_BYTES) return this.#load;
    this.#finishLoad();
    return undefined;
  }

  /** Builds segments from the bulk load until `isOver()`; returns whether all are built. */
  #finishLoad(isOver = () => false): boolean {
    if (this.#load === undefined) return true;
    this.#building ??= this.#build(this.#load.take());
    while (this.#building.next().done !== true) if (isOver()) return false;
    this.#building = undefined;
    this.#load = undefined;
    return true;
  }

  /** Builds one segment per step. */
  *#build(entries: Iterable<Entry>): Generator<undefined> {
    for (const list of [this.#segments, this.#buffers, this.#serials]) list.length = 0;
    const add = (segment: Segment): void => {
      this.#segments.push(segment);
      this.#buffers.push(segment.joined);
      this.#serials.push(nextSerial());
      this.#bytes += segment.joined.length;
    };
    let from: Key = { family: '', order: '' };
    let waiting: Entry[] = [];
    let bytes = 0;
    for (const entry of entries) {
      if (bytes >= this.#segmentBytes) {
        add(segmentOf(from, waiting));
        from = { family: entry.family, order: entry.order };
        waiting = [];
        bytes = 0;
        yield;
      }
      waiting.push(entry);
      bytes += entry.end - entry.start;
    }
    add(segmentOf(from, waiting));
  }

  #change(family: string, order: string, text: Slice | null): void {
    const segment = this.#find(family, order);
    segment.set(family, order, text);
    this.#dirty.add(segment);
    if (segment.isFull(this.#segmentBytes)) this.#join(segment);
  }

  #join(segment: Segment): void {
    if (!this.#dirty.delete(segment)) return;
    this.#chunks = undefined;
    this.#bytes -= segment.joined.length;
    segment.join();
    this.#bytes += segment.joined.length;
    const { family, order } = segment.from;
    const at = this.#index(family, order);
    const segments = segment.size === 0 && at > 0 ? [] : segment.split(this.#segmentBytes);
    if (segments[0] === segment) {
      this.#buffers[at] = segment.joined;
      this.#serials[at] = nextSerial();
      return;
    }
    this.#segments.splice(at, 1, ...segments);
    this.#buffers.splice(at, 1, ...segments.map(({ joined }) => joined));
    this.#serials.splice(at, 1, ...segments.map(nextSerial));
  }

  #find(family: string, order: string): Segment {
    return this.#segments[this.#index(family, order)] as Segment;
  }

  #index(family: string, order: string): number {
    let low = 0;
    let high = this.#segments.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      const { from } = this.#segments[middle] as Segment;
      if (compare(from.family, from.order, family, order) <= 0) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

/** What is joined in a segment is never written to again. */
function* entriesOf(segments: readonly Pick<Segment, 'keys' | 'ends' | 'joined'>[]): Generator<Entry> {
  for (const { keys, ends, joined } of segments) {
    let start = 0;
    for (const [i, end] of ends.entries()) {
      yield { family: keys.families[i] as string, order: keys.orders[i] as string, bytes: joined, start, end };
      start = end;
    }
  }
}
