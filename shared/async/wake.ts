import { arm } from './sleep.ts';

/**
 * A sleep that can be cut short. A `wake()` while nobody waits is remembered and ends the next wait at once; any
 * number of them count as one. While several wait, `wake()` ends all their waits.
 */
export class Wake {
  #pending = false;
  readonly #waiting = new Set<() => void>();

  wake(): void {
    if (this.#waiting.size === 0) this.#pending = true;
    // Each call removes itself from the set, which a Set's iterator allows.
    for (const end of this.#waiting) end();
  }

  /** True when woken, false when the time ran out or the signal was aborted. Never rejects. */
  wait(ms: number, signal?: AbortSignal): Promise<boolean> {
    if (signal?.aborted) return Promise.resolve(false);
    if (this.#pending) {
      this.#pending = false;
      return Promise.resolve(true);
    }
    return new Promise((resolve) => {
      const end = (woken: boolean) => {
        this.#waiting.delete(onWake);
        disarm();
        resolve(woken);
      };
      const onWake = () => end(true);
      this.#waiting.add(onWake);
      const disarm = arm(ms, signal, () => end(false));
    });
  }
}
