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

export interface Key {
  readonly family: string;
  readonly order: string;
}

/** Side by side, as there is no object for each. */
interface Keys {
  readonly families: string[];
  readonly orders: string[];
}

class Segment {
  /** Keys in this segment are not below it, and below that of the next segment. */
  readonly from: Key;
  keys: Keys;
  /** Where each key's chunk ends in `joined`. */
  ends: number[];
  joined: Buffer;
  /** Changes not joined yet, in the order in which they came; null = deleted. */
  readonly #changed: Keys = { families: [], orders: [] };
  readonly #pending: (Slice | null)[] = [];
  #pendingBytes = 0;

  constructor(from: Key, keys: Keys, ends: number[], joined: Buffer) {
    this.from = from;
    this.keys = keys;
    this.ends = ends;
    this.joined = joined;
  }

  get size(): number {
    return this.ends.length;
  }

  /**
   * So much waits that it is to be joined without a reader: many changes, or more bytes than are joined already. Changes of one key do not
   * replace each other while they wait, so without a bound by bytes one that nobody reads would hold them all.
   */
  isFull(segmentBytes: number): boolean {
    return this.#pending.length >= PENDING_MAX || this.#pendingBytes > Math.max(segmentBytes, this.joined.length);
  }

  set(family: string, order: string, text: Slice | null): void {
    this.#changed.families.push(family);
    this.#changed.orders.push(order);
    this.#pending.push(text);
    if (text !== null) this.#pendingBytes += text.end - text.start;
  }

  get(family: string, order: string): Buffer | undefined {
    for (let i = this.#pending.length - 1; i >= 0; i--) {
      if (compareAt(this.#changed, i, family, order) !== 0) continue;
      const waiting = this.#pending[i];
      return waiting ? waiting.bytes.subarray(waiting.start, waiting.end) : undefined;
    }
    const at = lowerBound(this.keys, family, order);
    return isAt(this.keys, at, family, order) ? this.#slice(at, at + 1) : undefined;
  }

  /** Brings what is pending into `keys`, `ends` and `joined`. */
  join(): void {
    const { families, orders } = this.#changed;
    const keys: Keys = { families: [], orders: [] };
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
        keys.families.push(this.keys.families[i] as string);
        keys.orders.push(this.keys.orders[i] as string);
        ends.push((this.ends[i] as number) + shift);
      }
      parts.push({ bytes: this.joined, start, end });
      bytes += end - start;
      at = until;
    };
    for (const i of this.#latest()) {
      const family = families[i] as string;
      const order = orders[i] as string;
      const until = lowerBound(this.keys, family, order, at);
      keep(until);
      if (isAt(this.keys, until, family, order)) at = until + 1;
      const text = this.#pending[i];
      if (!text) continue;
      keys.families.push(family);
      keys.orders.push(order);
      parts.push(text);
      bytes += text.end - text.start;
      ends.push(bytes);
    }
    keep(this.size);
    const joined = Buffer.allocUnsafeSlow(bytes);
    let offset = 0;
    for (const { bytes: from, start, end } of parts) offset += from.copy(joined, offset, start, end);
    this.keys = keys;
    this.ends = ends;
    this.joined = joined;
    families.length = 0;
    orders.length = 0;
    this.#pending.length = 0;
    this.#pendingBytes = 0;
  }

  /** Itself, or its parts if it has grown too large. Must be joined. */
  split(segmentBytes: number): Segment[] {
    if (this.joined.length <= 2 * segmentBytes || this.size < 2) return [this];
    const { families, orders } = this.keys;
    const parts: Segment[] = [];
    let first = 0;
    while (first < this.size) {
      const start = first === 0 ? 0 : (this.ends[first - 1] as number);
      let last = first + 1;
      while (last < this.size && (this.ends[last - 1] as number) - start < segmentBytes) last++;
      const ends = this.ends.slice(first, last).map((end) => end - start);
      const from = first === 0 ? this.from : { family: families[first] as string, order: orders[first] as string };
      const keys = { families: families.slice(first, last), orders: orders.slice(first, last) };
      parts.push(new Segment(from, keys, ends, Buffer.from(this.#slice(first, last))));
      first = last;
    }
    return parts;
  }

  /** Indices of what is pending, by key; of several changes of one key, the last. */
  #latest(): number[] {
    const { families, orders } = this.#changed;
    const sorted = Array.from(families.keys()).toSorted(
      (a, b) => compareAt(this.#changed, a, families[b] as string, orders[b] as string) || a - b,
    );
    return sorted.filter((i, n) => {
      const next = sorted[n + 1];
      return next === undefined || !isAt(this.#changed, next, families[i] as string, orders[i] as string);
    });
  }

  #slice(first: number, last: number): Buffer {
    return this.joined.subarray(first === 0 ? 0 : this.ends[first - 1], last === 0 ? 0 : this.ends[last - 1]);
  }
}

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

  constructor(segmentBytes = SEGMENT_BYTES) {
    this.#segmentBytes = segmentBytes;
  }

  /** The text is copied. Returns how many bytes it has. */
  set(family: string, order: string, text: Buffer | string): number {
    const slice = this.#slab.put(text);
    this.#change(family, order, slice);
    return slice.end - slice.start;
  }

  delete(family: string, order: string): void {
    this.#change(family, order, null);
  }

  /** May share memory with the segment. */
  get(family: string, order: string): Buffer | undefined {
    return this.#find(family, order).get(family, order);
  }

  /** The first key above this one. */
  next(family: string, order: string): Key | undefined {
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

function compare(family: string, order: string, otherFamily: string, otherOrder: string): number {
  if (family !== otherFamily) return family < otherFamily ? -1 : 1;
  if (order === otherOrder) return 0;
  return order < otherOrder ? -1 : 1;
}

function compareAt({ families, orders }: Keys, at: number, family: string, order: string): number {
  return compare(families[at] as string, orders[at] as string, family, order);
}

function isAt({ families, orders }: Keys, at: number, family: string, order: string): boolean {
  return orders[at] === order && families[at] === family;
}

/** Index of the first key, from `low` on, that is not below this one. */
function lowerBound(keys: Keys, family: string, order: string, low = 0): number {
  let high = keys.orders.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareAt(keys, middle, family, order) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
