/**
 * Deadlines are ms since the epoch; 0 = never.
 *
 * `Deadlines` finds out which of many items is due: a binary heap in which an item counts once. If the deadline of an
 * item moves to a later time, its old entry stays, and the item comes up early. That is cheaper than to search the heap
 * at every push.
 */
export interface Timed {
  /** Time of the item's entry in the heap, ms; `UNSCHEDULED` without one. Only `Deadlines` writes it. */
  scheduledMs: number;
}

export const UNSCHEDULED = Infinity;

export function isPast(deadlineMs: number, nowMs: number): boolean {
  return deadlineMs !== 0 && deadlineMs <= nowMs;
}

/** The earlier of two deadlines. */
export function sooner(a: number, b: number): number {
  if (a === 0) return b;
  return b === 0 ? a : Math.min(a, b);
}

/** The later of two deadlines. */
export function later(a: number, b: number): number {
  return a === 0 || b === 0 ? 0 : Math.max(a, b);
}

export class Deadlines<T extends Timed> {
  /** The heap, as two arrays: an object for each entry would take more memory than both. */
  readonly #items: T[] = [];
  readonly #times: number[] = [];

  /** Ensures that the item is due no later than at `deadlineMs`. */
  schedule(item: T, deadlineMs: number): void {
    if (deadlineMs === 0 || item.scheduledMs <= deadlineMs) return;
    item.scheduledMs = deadlineMs;
    this.#push(item, deadlineMs);
  }

  /** Takes out the items whose time has come, one at a time: the others stay if the iteration ends early. */
  *due(nowMs: number): Generator<T> {
    for (;;) {
      const item = this.#items[0];
      const atMs = this.#times[0];
      if (item === undefined || atMs === undefined || atMs > nowMs) return;
      this.#pop();
      // An entry that was replaced by one with an earlier deadline is only dropped.
      if (item.scheduledMs !== atMs) continue;
      item.scheduledMs = UNSCHEDULED;
      yield item;
    }
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
