/**
 * Divides long work into slices, between which the event loop runs: `if (slices.isOver) await slices.next()`. In each
 * turn of the event loop one slice of one piece of work runs, however many are under way, so that requests and replies
 * never wait for more than that.
 */
export class Slices {
  readonly #ms: number;
  #endsMs: number;
  #spentMs = 0;

  constructor(ms = 10) {
    this.#ms = ms;
    this.#endsMs = performance.now() + ms;
  }

  get isOver(): boolean {
    return performance.now() >= this.#endsMs;
  }

  /** Length of the slices before this one, ms. */
  get spentMs(): number {
    return this.#spentMs;
  }

  async next(): Promise<void> {
    this.#spentMs += performance.now() - this.#endsMs + this.#ms;
    await new Promise<void>((resolve) => {
      waiting.push(resolve);
      if (waiting.length === 1) setImmediate(beginNext);
    });
    this.#endsMs = performance.now() + this.#ms;
  }
}

/** Calls `work` in slices until it returns true; it returns soon after `isOver` does. */
export async function inSlices(work: (isOver: () => boolean) => boolean, ms?: number): Promise<void> {
  const slices = new Slices(ms);
  while (!work(() => slices.isOver)) await slices.next();
}

/** Work that waits for its next slice, in order. While there is any, a turn of the event loop is planned. */
const waiting: (() => void)[] = [];

function beginNext(): void {
  // What continues now runs after this function, and is the last to wait again.
  waiting.shift()?.();
  if (waiting.length > 0) setImmediate(beginNext);
}
