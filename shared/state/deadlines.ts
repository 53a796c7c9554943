/**
 * Which of many keys is due next: a binary heap with one entry a key at most. A key whose deadline moved later is looked at
 * again when its old one comes, which is cheaper than finding it in the heap at every push.
 */
export class Deadlines {
  readonly #heap: { readonly key: string; readonly atMs: number }[] = [];
  /** The deadline under which a key is in the heap. */
  readonly #scheduled = new Map<string, number>();

  /** Makes sure the key is due no later than `atMs`. */
  schedule(key: string, atMs: number): void {
    const scheduled = this.#scheduled.get(key);
    if (scheduled !== undefined && scheduled <= atMs) return;
    this.#scheduled.set(key, atMs);
    this.#push({ key, atMs });
  }

  /** Keys that were due at `nowMs` or before; they are not scheduled any more. */
  due(nowMs: number): string[] {
    const keys: string[] = [];
    for (;;) {
      const first = this.#heap[0];
      if (first === undefined || first.atMs > nowMs) return keys;
      this.#pop();
      // Entries that an earlier deadline replaced are only dropped.
      if (this.#scheduled.get(first.key) !== first.atMs) continue;
      this.#scheduled.delete(first.key);
      keys.push(first.key);
    }
  }

  /** Undefined when nothing is scheduled. May be early for a key that moved. */
  get nextMs(): number | undefined {
    return this.#heap[0]?.atMs;
  }

  #push(entry: { readonly key: string; readonly atMs: number }): void {
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
