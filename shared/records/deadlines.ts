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
  /** The heap, in two lists: an object for each entry would take more memory than both. */
  readonly #items: T[] = [];
  readonly #times: number[] = [];

  /** Makes sure the item is due no later than `atMs`. */
  schedule(item: T, atMs: number): void {
    if (item.scheduledMs <= atMs) return;
    item.scheduledMs = atMs;
    this.#push(item, atMs);
  }

  /** Items that were due at `nowMs` or before; they are not scheduled any more. */
  due(nowMs: number): T[] {
    const items: T[] = [];
    for (;;) {
      const item = this.#items[0];
      const atMs = this.#times[0];
      if (item === undefined || atMs === undefined || atMs > nowMs) return items;
      this.#pop();
      // Entries that an earlier deadline replaced are only dropped.
      if (item.scheduledMs !== atMs) continue;
      item.scheduledMs = UNSCHEDULED;
      items.push(item);
    }
  }

  /** Undefined when nothing is scheduled. May be early for an item that moved. */
  get nextMs(): number | undefined {
    return this.#times[0];
  }

  #push(item: T, atMs: number): void {
    const times = this.#times;
    let at = times.push(atMs) - 1;
    this.#items.push(item);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if ((times[parent] as number) <= atMs) break;
      this.#put(at, this.#items[parent] as T, times[parent] as number);
      at = parent;
    }
    this.#put(at, item, atMs);
  }

  #pop(): void {
    const times = this.#times;
    const lastMs = times.pop();
    const last = this.#items.pop();
    if (last === undefined || lastMs === undefined || times.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      const left = times[child];
      if (left === undefined) break;
      const right = times[child + 1];
      if (right !== undefined && right < left) child++;
      const smaller = times[child] as number;
      if (smaller >= lastMs) break;
      this.#put(at, this.#items[child] as T, smaller);
      at = child;
    }
    this.#put(at, last, lastMs);
  }

  #put(at: number, item: T, atMs: number): void {
    this.#items[at] = item;
    this.#times[at] = atMs;
  }
}
