import { setImmediate as nextTurn } from 'node:timers/promises';

/** Divides long work into slices, between which the event loop runs: `if (slices.isOver) await slices.next()`. */
export class Slices {
  readonly #ms: number;
  #endsMs: number;

  constructor(ms = 10) {
    this.#ms = ms;
    this.#endsMs = performance.now() + ms;
  }

  get isOver(): boolean {
    return performance.now() >= this.#endsMs;
  }

  async next(): Promise<void> {
    await nextTurn();
    this.#endsMs = performance.now() + this.#ms;
  }
}
