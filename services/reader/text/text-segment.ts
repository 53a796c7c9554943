/**
 * A segment of a long text (segmented-text.ts): entries as one joined buffer with the end of each. Changes wait beside
 * it until the next read, or until too many wait.
 */
import type { Entry } from './bulk-load.ts';
import type { Slice } from './text-slab.ts';

/** Maximum number of changes that wait in a segment. */
const MAX_PENDING = 256;

export interface Key {
  readonly family: string;
  readonly order: string;
}

/** Two arrays rather than an object for each key, to save memory. */
interface Keys {
  readonly families: string[];
  readonly orders: string[];
}

export class Segment {
  /** Lower bound of the keys; they are below the lower bound of the next segment. */
  readonly from: Key;
  keys: Keys;
  /** For each key: the end of its text in `joined`. */
  ends: number[];
  joined: Buffer;
  /** Changes not joined yet, in order of arrival; null = deleted. */
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
   * Whether the pending changes must be joined before the next read: they are many, or larger than what is joined.
   * Pending changes of one key do not replace each other, so they need a bound on bytes.
   */
  isFull(segmentBytes: number): boolean {
    return this.#pending.length >= MAX_PENDING || this.#pendingBytes > Math.max(segmentBytes, this.joined.length);
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

  /** Applies the pending changes to `keys`, `ends` and `joined`. */
  join(): void {
    const { families, orders } = this.#changed;
    const keys: Keys = { families: [], orders: [] };
    const ends: number[] = [];
    const slices: Slice[] = [];
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
      slices.push({ bytes: this.joined, start, end });
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
      slices.push(text);
      bytes += text.end - text.start;
      ends.push(bytes);
    }
    keep(this.size);
    this.keys = keys;
    this.ends = ends;
    this.joined = concat(slices, bytes);
    families.length = 0;
    orders.length = 0;
    this.#pending.length = 0;
    this.#pendingBytes = 0;
  }

  /** Itself, or several segments if it has grown too large. Must be joined. */
  split(segmentBytes: number): Segment[] {
    if (this.joined.length <= 2 * segmentBytes || this.size < 2) return [this];
    const { families, orders } = this.keys;
    const segments: Segment[] = [];
    let first = 0;
    while (first < this.size) {
      const start = first === 0 ? 0 : (this.ends[first - 1] as number);
      let last = first + 1;
      while (last < this.size && (this.ends[last - 1] as number) - start < segmentBytes) last++;
      const ends = this.ends.slice(first, last).map((end) => end - start);
      const from = first === 0 ? this.from : { family: families[first] as string, order: orders[first] as string };
      const keys = { families: families.slice(first, last), orders: orders.slice(first, last) };
      segments.push(new Segment(from, keys, ends, Buffer.from(this.#slice(first, last))));
      first = last;
    }
    return segments;
  }

  /** Indices of the pending changes, sorted by key; of several changes of one key only the last. */
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

/** A segment of these entries, which must be in order. */
export function segmentOf(from: Key, entries: readonly Entry[]): Segment {
  const keys = { families: entries.map(({ family }) => family), orders: entries.map(({ order }) => order) };
  let bytes = 0;
  const ends = entries.map(({ start, end }) => (bytes += end - start));
  return new Segment(from, keys, ends, concat(entries, bytes));
}

function concat(slices: readonly Slice[], bytes: number): Buffer {
  const joined = Buffer.allocUnsafeSlow(bytes);
  let offset = 0;
  for (const { bytes: from, start, end } of slices) offset += from.copy(joined, offset, start, end);
  return joined;
}

export function compare(family: string, order: string, otherFamily: string, otherOrder: string): number {
  if (family !== otherFamily) return family < otherFamily ? -1 : 1;
  if (order === otherOrder) return 0;
  return order < otherOrder ? -1 : 1;
}

function compareAt({ families, orders }: Keys, at: number, family: string, order: string): number {
  return compare(families[at] as string, orders[at] as string, family, order);
}

export function isAt({ families, orders }: Keys, at: number, family: string, order: string): boolean {
  return orders[at] === order && families[at] === family;
}

/** Index of the first key, from index `low` on, that is not below this one. */
export function lowerBound(keys: Keys, family: string, order: string, low = 0): number {
  let high = keys.orders.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareAt(keys, middle, family, order) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
