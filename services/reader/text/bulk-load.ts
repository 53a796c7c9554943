/**
 * A long text before anybody reads it: its chunks are collected as they come, and brought into their order once, at the end. That is how a
 * snapshot is loaded; to insert each where it belongs copies it several times more, and makes and drops a segment for every dozen.
 *
 * A family's chunks lie in slabs of their own, which are let go with the family: nothing else waits for the whole text twice.
 */

/** One chunk, where it lies in a larger buffer. */
export interface Chunk {
  readonly family: string;
  readonly order: string;
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
}

/** A slab is as large as those before it together, within these limits. */
const SLAB_MIN_BYTES = 1024;
const SLAB_MAX_BYTES = 256 * 1024;
const UTF8_MAX = 3;
/** Instead of a length. */
const DELETED = -1;

/** No object for each chunk: as many as there are would all have to be marked, and moved, by the garbage collector. */
class CollectedFamily {
  readonly orders: string[] = [];
  readonly slabs: Buffer[] = [];
  /** Of each chunk: its slab times SLAB_MAX_BYTES, plus where it begins there. */
  readonly #starts: number[] = [];
  readonly #lengths: number[] = [];
  #used = 0;
  #bytes = 0;

  /** Returns how many bytes the text has. */
  add(order: string, text: Buffer | string | null): number {
    let length = DELETED;
    let start = 0;
    if (text !== null) {
      const slab = this.#slabFor(typeof text === 'string' ? UTF8_MAX * text.length : text.length);
      length = typeof text === 'string' ? slab.write(text, this.#used) : text.copy(slab, this.#used);
      start = (this.slabs.length - 1) * SLAB_MAX_BYTES + this.#used;
      this.#used += length;
    }
    this.orders.push(order);
    this.#starts.push(start);
    this.#lengths.push(length);
    return length;
  }

  at(i: number, family: string): Chunk | undefined {
    const length = this.#lengths[i] as number;
    if (length === DELETED) return undefined;
    const position = this.#starts[i] as number;
    const start = position % SLAB_MAX_BYTES;
    const bytes = this.slabs[(position - start) / SLAB_MAX_BYTES] as Buffer;
    return { family, order: this.orders[i] as string, bytes, start, end: start + length };
  }

  #slabFor(bytes: number): Buffer {
    const slab = this.slabs.at(-1);
    // One for a text that is larger may have room where no start can be.
    const isOver = this.#used >= SLAB_MAX_BYTES;
    if (slab !== undefined && !isOver && this.#used + bytes <= slab.length) return slab;
    const size = Math.max(bytes, Math.min(SLAB_MAX_BYTES, Math.max(SLAB_MIN_BYTES, this.#bytes)));
    const next = Buffer.allocUnsafeSlow(size);
    this.slabs.push(next);
    this.#bytes += size;
    this.#used = 0;
    return next;
  }
}

export class CollectedText {
  readonly #families = new Map<string, CollectedFamily>();

  /** The text is copied; of several under one key the last counts; null = there is none. Returns how many bytes it has. */
  add(family: string, order: string, text: Buffer | string | null): number {
    let collected = this.#families.get(family);
    if (collected === undefined) {
      collected = new CollectedFamily();
      this.#families.set(family, collected);
    }
    return collected.add(order, text);
  }

  /** If it is the last of its family that came; others cannot be found. */
  latest(family: string, order: string): Chunk | undefined {
    const collected = this.#families.get(family);
    const last = (collected?.orders.length ?? 0) - 1;
    return collected?.orders[last] === order ? collected.at(last, family) : undefined;
  }

  /** All of it in its order. Each family is gone when the next one's turn comes. */
  *take(): Generator<Chunk> {
    let before: { readonly orders: readonly string[]; readonly sorted: readonly number[] } = { orders: [], sorted: [] };
    for (const family of [...this.#families.keys()].toSorted()) {
      const collected = this.#families.get(family) as CollectedFamily;
      const { orders } = collected;
      // The families of a fleet mostly came with the same groups.
      const sorted = isSame(orders, before.orders) ? before.sorted : sortedLatest(orders);
      for (const i of sorted) {
        const chunk = collected.at(i, family);
        if (chunk !== undefined) yield chunk;
      }
      before = { orders, sorted };
      this.#families.delete(family);
    }
  }
}

/** Indices of the orders, sorted; of the same ones only the last. */
function sortedLatest(orders: readonly string[]): readonly number[] {
  const sorted = Array.from(orders.keys()).toSorted((a, b) => {
    const one = orders[a] as string;
    const other = orders[b] as string;
    if (one === other) return a - b;
    return one < other ? -1 : 1;
  });
  return sorted.filter((i, n) => n + 1 === sorted.length || orders[sorted[n + 1] as number] !== orders[i]);
}

function isSame(some: readonly string[], others: readonly string[]): boolean {
  return some.length === others.length && some.every((order, i) => order === others[i]);
}
