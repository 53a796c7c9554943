/**
 * The entries of a long text before the first read: collected as they arrive and sorted once, at the end. A snapshot is
 * loaded this way, because inserting each entry at its place would copy the text several times.
 *
 * The entries of a family lie in slabs of their own, which are released with the family: the text is not held twice
 * while it is sorted.
 */
import { UTF8_MAX_BYTES, type Slice } from './text-slab.ts';

/** One entry of a text: a slice and its key. */
export interface Entry extends Slice {
  readonly family: string;
  readonly order: string;
}

/** A new slab is as large as all earlier slabs of the family together, within these limits. */
const SLAB_MIN_BYTES = 1024;
const SLAB_MAX_BYTES = 256 * 1024;
/** Stands in place of a length. */
const DELETED = -1;

/** Has no object for each entry: the garbage collector would have to mark and move all of them. */
class FamilyLoad {
  readonly orders: string[] = [];
  readonly slabs: Buffer[] = [];
  /** For each entry: the index of its slab times SLAB_MAX_BYTES, plus its offset within the slab. */
  readonly #starts: number[] = [];
  readonly #lengths: number[] = [];
  #used = 0;
  #bytes = 0;

  /** Returns the size of the text in bytes. */
  add(order: string, text: Buffer | string | null): number {
    let length = DELETED;
    let start = 0;
    if (text !== null) {
      const slab = this.#slabFor(typeof text === 'string' ? UTF8_MAX_BYTES * text.length : text.length);
      length = typeof text === 'string' ? slab.write(text, this.#used) : text.copy(slab, this.#used);
      start = (this.slabs.length - 1) * SLAB_MAX_BYTES + this.#used;
      this.#used += length;
    }
    this.orders.push(order);
    this.#starts.push(start);
    this.#lengths.push(length);
    return length;
  }

  at(i: number, family: string): Entry | undefined {
    const length = this.#lengths[i] as number;
    if (length === DELETED) return undefined;
    const position = this.#starts[i] as number;
    const start = position % SLAB_MAX_BYTES;
    const bytes = this.slabs[(position - start) / SLAB_MAX_BYTES] as Buffer;
    return { family, order: this.orders[i] as string, bytes, start, end: start + length };
  }

  #slabFor(bytes: number): Buffer {
    const slab = this.slabs.at(-1);
    // A slab for one large text may have room left at offsets that `#starts` cannot express.
    const isFull = this.#used >= SLAB_MAX_BYTES;
    if (slab !== undefined && !isFull && this.#used + bytes <= slab.length) return slab;
    const size = Math.max(bytes, Math.min(SLAB_MAX_BYTES, Math.max(SLAB_MIN_BYTES, this.#bytes)));
    const next = Buffer.allocUnsafeSlow(size);
    this.slabs.push(next);
    this.#bytes += size;
    this.#used = 0;
    return next;
  }
}

export class BulkLoad {
  readonly #families = new Map<string, FamilyLoad>();

  /** Copies the text; null deletes the entry. The last call for a key counts. Returns the size of the text in bytes. */
  add(family: string, order: string, text: Buffer | string | null): number {
    let load = this.#families.get(family);
    if (load === undefined) {
      load = new FamilyLoad();
      this.#families.set(family, load);
    }
    return load.add(order, text);
  }

  /** The entry, if it is the last one added to its family; others cannot be found. */
  latest(family: string, order: string): Entry | undefined {
    const load = this.#families.get(family);
    const last = (load?.orders.length ?? 0) - 1;
    return load?.orders[last] === order ? load.at(last, family) : undefined;
  }

  /** All entries in order. Each family is released when the iteration reaches the next one. */
  *take(): Generator<Entry> {
    let before: { readonly orders: readonly string[]; readonly sorted: readonly number[] } = { orders: [], sorted: [] };
    for (const family of [...this.#families.keys()].toSorted()) {
      const load = this.#families.get(family) as FamilyLoad;
      const { orders } = load;
      // Most families of a fleet are loaded with the same groups.
      const sorted = areEqual(orders, before.orders) ? before.sorted : sortedLatest(orders);
      for (const i of sorted) {
        const entry = load.at(i, family);
        if (entry !== undefined) yield entry;
      }
      before = { orders, sorted };
      this.#families.delete(family);
    }
  }
}

/** Indices of the orders, sorted by order; of equal orders only the last. */
function sortedLatest(orders: readonly string[]): readonly number[] {
  const sorted = Array.from(orders.keys()).toSorted((a, b) => {
    const one = orders[a] as string;
    const other = orders[b] as string;
    if (one === other) return a - b;
    return one < other ? -1 : 1;
  });
  return sorted.filter((i, n) => n + 1 === sorted.length || orders[sorted[n + 1] as number] !== orders[i]);
}

function areEqual(some: readonly string[], others: readonly string[]): boolean {
  return some.length === others.length && some.every((order, i) => order === others[i]);
}
