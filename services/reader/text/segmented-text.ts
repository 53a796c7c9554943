/**
 * A long text made of many chunks in the order of their keys, of which few change at a time. It is kept in segments of some
 * kilobytes; a change re-joins its own segment and nothing else, and reading hands out buffers that are ready.
 *
 * Buffers that were handed out are never written again: a change makes a new one. So whoever is still sending them is safe.
 *
 * A segment holds its chunks only as one joined buffer and where each ends; changes wait beside it until somebody reads.
 *
 * A key has two parts, which are compared one after the other. Both are strings that others hold anyway: one made of them would
 * take more memory than most chunks, and be made anew at each change.
 *
 * Until somebody reads there are no segments: what comes is only collected (collected-text.ts).
 */
import { CollectedText, type Chunk } from './bulk-load.ts';
import { nextSerial, type TextParts } from './text-parts.ts';
import { compare, isAt, lowerBound, Segment, segmentOf, type Key } from './text-segment.ts';
import { TextSlab, type Slice } from './text-slab.ts';

/**
 * Segments are split above twice this size. Small, because a change copies its segment, and has it compressed anew; smaller
 * ones gain little more, and compress worse (docs/performance.md, test/bench/spliced-gzip.bench.ts).
 */
const SEGMENT_BYTES = 8 * 1024;
/** So many bytes of changes to what was collected are collected, too: what they replace is held in vain. */
const COLLECTED_CHANGES_BYTES = 1024 * 1024;
/** A change takes as much of that as this and its text, so they are few, too. */
const COLLECTED_CHANGE_BYTES = 1024;

export class SegmentedText {
  readonly #segments: Segment[] = [
    new Segment({ family: '', order: '' }, { families: [], orders: [] }, [], Buffer.alloc(0)),
  ];
  /** What is in each segment, side by side: looking thousands of them up takes longer than what has changed. */
  readonly #buffers: Buffer[] = [Buffer.alloc(0)];
  readonly #serials: number[] = [nextSerial()];
  #bytes = 0;
  readonly #dirty = new Set<Segment>();
  /** What was handed out last, as long as nothing changes. */
  #parts: TextParts | undefined;
  readonly #segmentBytes: number;
  readonly #slab = new TextSlab();
  /** What there is, as long as nobody has read it. */
  #collected: CollectedText | undefined = new CollectedText();
  #collectedChangesBytes = 0;
  /** While segments are made of it. */
  #making: Iterator<undefined> | undefined;

  constructor(segmentBytes = SEGMENT_BYTES) {
    this.#segmentBytes = segmentBytes;
  }

  /** As `set`, for a key that has no text yet. As long as nobody has read, it costs less. */
  add(family: string, order: string, text: Buffer | string): number {
    if (this.#collected === undefined || this.#making !== undefined) return this.set(family, order, text);
    return this.#collected.add(family, order, text);
  }

  /** The text is copied. Returns how many bytes it has. */
  set(family: string, order: string, text: Buffer | string): number {
    const collected = this.#collectedForChange(text.length);
    if (collected !== undefined) return collected.add(family, order, text);
    const slice = this.#slab.put(text);
    this.#change(family, order, slice);
    return slice.end - slice.start;
  }

  delete(family: string, order: string): void {
    const collected = this.#collectedForChange(0);
    if (collected === undefined) this.#change(family, order, null);
    else collected.add(family, order, null);
  }

  /** May share memory with the segment. */
  get(family: string, order: string): Buffer | undefined {
    const latest = this.#collected?.latest(family, order);
    if (latest !== undefined) return latest.bytes.subarray(latest.start, latest.end);
    this.#settle();
    return this.#find(family, order).get(family, order);
  }

  /** The first key above this one. */
  next(family: string, order: string): Key | undefined {
    this.#settle();
    for (let i = this.#index(family, order); i < this.#segments.length;) {
      const segment = this.#segments[i] as Segment;
      if (this.#dirty.has(segment)) {
        // Then it may be several, or none: look again.
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

  /** Joins segments that have changed until told to stop; returns how many are left. */
  tidy(isOver: () => boolean): number {
    if (!this.#settle(isOver)) return 1 + this.#dirty.size;
    for (const segment of this.#dirty) {
      this.#join(segment);
      if (isOver()) break;
    }
    return this.#dirty.size;
  }

  /** The whole text; the same list again, if nothing has changed. */
  parts(): TextParts {
    this.#settle();
    for (const segment of this.#dirty) this.#join(segment);
    this.#parts ??= { buffers: [...this.#buffers], serials: [...this.#serials], bytes: this.#bytes, source: this };
    return this.#parts;
  }

  /** Undefined when changes are not collected (any more). */
  #collectedForChange(bytes: number): CollectedText | undefined {
    if (this.#collected === undefined) return undefined;
    this.#collectedChangesBytes += COLLECTED_CHANGE_BYTES + bytes;
    if (this.#making === undefined && this.#collectedChangesBytes <= COLLECTED_CHANGES_BYTES) return this.#collected;
    this.#settle();
    return undefined;
  }

  /** Makes segments of what was collected, until told to stop; returns whether it is done. */
  #settle(isOver = () => false): boolean {
    if (this.#collected === undefined) return true;
    this.#making ??= this.#make(this.#collected.take());
    while (this.#making.next().done !== true) if (isOver()) return false;
    this.#making = undefined;
    this.#collected = undefined;
    return true;
  }

  /** A segment a step. */
  *#make(chunks: Iterable<Chunk>): Generator<undefined> {
    for (const list of [this.#segments, this.#buffers, this.#serials]) list.length = 0;
    const add = (segment: Segment): void => {
      this.#segments.push(segment);
      this.#buffers.push(segment.joined);
      this.#serials.push(nextSerial());
      this.#bytes += segment.joined.length;
    };
    let from: Key = { family: '', order: '' };
    let waiting: Chunk[] = [];
    let bytes = 0;
    for (const chunk of chunks) {
      if (bytes >= this.#segmentBytes) {
        add(segmentOf(from, waiting));
        from = { family: chunk.family, order: chunk.order };
        waiting = [];
        bytes = 0;
        yield;
      }
      waiting.push(chunk);
      bytes += chunk.end - chunk.start;
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
    this.#parts = undefined;
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
