/**
 * A long text made of many chunks in the order of their keys, of which few change at a time. It is kept in segments of some
 * kilobytes; a change re-joins its own segment and nothing else, and reading hands out buffers that are ready.
 *
 * Buffers that were handed out are never written again: a change makes a new one. So whoever is still sending them is safe.
 *
 * A segment holds its chunks only as one joined buffer and where each ends; changes wait beside it until somebody reads.
 */
import { nextSerial, type TextParts } from './text-parts.ts';
import { TextSlab, type Slice } from './text-slab.ts';

/**
 * Segments are split above twice this size. Small, because a change copies its segment, and has it compressed anew; smaller
 * ones gain little more, and compress worse (docs/performance.md, test/bench/spliced-gzip.bench.ts).
 */
const SEGMENT_BYTES = 8 * 1024;
/** Changes that wait in one segment before they are joined without a reader. */
const PENDING_MAX = 256;

class Segment {
  /** Keys in this segment are not below it, and below that of the next segment. */
  readonly from: string;
  keys: string[];
  /** Where each key's chunk ends in `joined`. */
  ends: number[];
  joined: Buffer;
  /** Changes not joined yet; null = deleted. */
  readonly pending = new Map<string, Slice | null>();

  constructor(from: string, keys: string[], ends: number[], joined: Buffer) {
    this.from = from;
    this.keys = keys;
    this.ends = ends;
    this.joined = joined;
  }

  get(key: string): Buffer | undefined {
    const waiting = this.pending.get(key);
    if (waiting !== undefined) return waiting === null ? undefined : waiting.bytes.subarray(waiting.start, waiting.end);
    const at = lowerBound(this.keys, key);
    return this.keys[at] === key ? this.#slice(at, at + 1) : undefined;
  }

  /** Brings `pending` into `keys`, `ends` and `joined`. */
  join(): void {
    if (this.pending.size === 0) return;
    const changed = [...this.pending.keys()].toSorted((a, b) => (a < b ? -1 : 1));
    const keys: string[] = [];
    const ends: number[] = [];
    const parts: Slice[] = [];
    let bytes = 0;
    let at = 0;
    const keep = (until: number): void => {
      if (until <= at) return;
      const start = at === 0 ? 0 : (this.ends[at - 1] as number);
      const end = this.ends[until - 1] as number;
      const shift = bytes - start;
      for (let i = at; i < until; i++) {
        keys.push(this.keys[i] as string);
        ends.push((this.ends[i] as number) + shift);
      }
      parts.push({ bytes: this.joined, start, end });
      bytes += end - start;
      at = until;
    };
    for (const key of changed) {
      const until = lowerBound(this.keys, key);
      keep(until);
      if (this.keys[until] === key) at = until + 1;
      const text = this.pending.get(key);
      if (!text) continue;
      keys.push(key);
      parts.push(text);
      bytes += text.end - text.start;
      ends.push(bytes);
    }
    keep(this.keys.length);
    const joined = Buffer.allocUnsafeSlow(bytes);
    let offset = 0;
    for (const { bytes: from, start, end } of parts) offset += from.copy(joined, offset, start, end);
    this.keys = keys;
    this.ends = ends;
    this.joined = joined;
    this.pending.clear();
  }

  /** Itself, or its parts if it has grown too large. Must be joined. */
  split(segmentBytes: number): Segment[] {
    if (this.joined.length <= 2 * segmentBytes || this.keys.length < 2) return [this];
    const parts: Segment[] = [];
    let first = 0;
    while (first < this.keys.length) {
      const start = first === 0 ? 0 : (this.ends[first - 1] as number);
      let last = first + 1;
      while (last < this.keys.length && (this.ends[last - 1] as number) - start < segmentBytes) last++;
      const ends = this.ends.slice(first, last).map((end) => end - start);
      const from = first === 0 ? this.from : (this.keys[first] as string);
      parts.push(new Segment(from, this.keys.slice(first, last), ends, Buffer.from(this.#slice(first, last))));
      first = last;
    }
    return parts;
  }

  #slice(first: number, last: number): Buffer {
    return this.joined.subarray(first === 0 ? 0 : this.ends[first - 1], last === 0 ? 0 : this.ends[last - 1]);
  }
}

export class SegmentedText {
  readonly #segments: Segment[] = [new Segment('', [], [], Buffer.alloc(0))];
  /** What is in each segment, side by side: looking thousands of them up takes longer than what has changed. */
  readonly #buffers: Buffer[] = [Buffer.alloc(0)];
  readonly #serials: number[] = [nextSerial()];
  #bytes = 0;
  readonly #dirty = new Set<Segment>();
  /** What was handed out last, as long as nothing changes. */
  #parts: TextParts | undefined;
  readonly #segmentBytes: number;
  readonly #slab = new TextSlab();

  constructor(segmentBytes = SEGMENT_BYTES) {
    this.#segmentBytes = segmentBytes;
  }

  /** The text is copied. */
  set(key: string, text: Buffer | string): void {
    this.#change(key, this.#slab.put(text));
  }

  delete(key: string): void {
    this.#change(key, null);
  }

  /** May share memory with the segment. */
  get(key: string): Buffer | undefined {
    return this.#find(key).get(key);
  }

  /** The first key above `key`. */
  next(key: string): string | undefined {
    for (let i = this.#index(key); i < this.#segments.length;) {
      const segment = this.#segments[i] as Segment;
      if (this.#dirty.has(segment)) {
        // Then it may be several, or none: look again.
        this.#join(segment);
        continue;
      }
      const at = upperBound(segment.keys, key);
      if (at < segment.keys.length) return segment.keys[at];
      i++;
    }
    return undefined;
  }

  /** Joins segments that have changed until told to stop; returns how many are left. */
  tidy(isOver: () => boolean): number {
    for (const segment of this.#dirty) {
      this.#join(segment);
      if (isOver()) break;
    }
    return this.#dirty.size;
  }

  /** The whole text; the same list again, if nothing has changed. */
  parts(): TextParts {
    for (const segment of this.#dirty) this.#join(segment);
    this.#parts ??= { buffers: [...this.#buffers], serials: [...this.#serials], bytes: this.#bytes, source: this };
    return this.#parts;
  }

  #change(key: string, text: Slice | null): void {
    const segment = this.#find(key);
    segment.pending.set(key, text);
    this.#dirty.add(segment);
    if (segment.pending.size >= PENDING_MAX) this.#join(segment);
  }

  #join(segment: Segment): void {
    if (!this.#dirty.delete(segment)) return;
    this.#parts = undefined;
    this.#bytes -= segment.joined.length;
    segment.join();
    this.#bytes += segment.joined.length;
    const segments = segment.keys.length === 0 && segment.from !== '' ? [] : segment.split(this.#segmentBytes);
    const at = this.#index(segment.from);
    if (segments[0] === segment) {
      this.#buffers[at] = segment.joined;
      this.#serials[at] = nextSerial();
      return;
    }
    this.#segments.splice(at, 1, ...segments);
    this.#buffers.splice(at, 1, ...segments.map(({ joined }) => joined));
    this.#serials.splice(at, 1, ...segments.map(nextSerial));
  }

  #find(key: string): Segment {
    return this.#segments[this.#index(key)] as Segment;
  }

  #index(key: string): number {
    let low = 0;
    let high = this.#segments.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#segments[middle] as Segment).from <= key) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

/** Index of the first key that is not below `key`. */
function lowerBound(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((keys[middle] as string) < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Index of the first key above `key`. */
function upperBound(keys: readonly string[], key: string): number {
  const at = lowerBound(keys, key);
  return keys[at] === key ? at + 1 : at;
}
