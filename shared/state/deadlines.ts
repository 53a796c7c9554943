/**
 * Which of many items is due next: a binary heap, in which one counts once. An item whose deadline moved later is looked at
 * again when its old one comes, which is cheaper than finding it in the heap at every push.
 */
export interface Timed {
  /** Its place in the heap, ms; `UNSCHEDULED` when it has none. Nobody else's to write. */
  scheduledMs: number;
}

export const UNSCHEDULED = Infinity;

export class Deadlines<T extends Timed> {
  readonly #heap: { readonly item: T; readonly atMs: number }[] = [];

  /** Makes sure the item is due no later than `atMs`. */
  schedule(item: T, atMs: number): void {
    if (item.scheduledMs <= atMs) return;
    item.scheduledMs = atMs;
    this.#push({ item, atMs });
  }

  /** Items that were due at `nowMs` or before; they are not scheduled any more. */
  due(nowMs: number): T[] {
    const items: T[] = [];
    for (;;) {
      const first = this.#heap[0];
      if (first === undefined || first.atMs > nowMs) return items;
      this.#pop();
      // Entries that an earlier deadline replaced are only dropped.
      if (first.item.scheduledMs !== first.atMs) continue;
      first.item.scheduledMs = UNSCHEDULED;
      items.push(first.item);
    }
  }

  /** Undefined when nothing is scheduled. May be early for an item that moved. */
  get nextMs(): number | undefined {
    return this.#heap[0]?.atMs;
  }

  #push(entry: { readonly item: T; readonly atMs: number }): void {
    const heap = this.#heap;
    let at = heap.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || above.atMs <= entry.atMs) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      const left = heap[child];
      if (left === undefined) break;
      const right = heap[child + 1];
      let smaller = left;
      if (right !== undefined && right.atMs < left.atMs) {
        child++;
        smaller = right;
      }
      if (smaller.atMs >= last.atMs) break;
      heap[at] = smaller;
      at = child;
    }
    heap[at] = last;
  }
}
