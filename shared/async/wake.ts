import { arm } from './sleep.ts';

/**
 * A sleep that can be ended early. wake() ends all current waits; if there are none, it is remembered and ends the next
 * wait at once, however often it was called.
 */
export class Wake {
  #pending = false;
  readonly #waiting = new Set<() => void>();

  wake(): void {
    if (this.#waiting.size === 0) this.#pending = true;
    // Each call removes its entry, which is safe while a Set is iterated.
    for (const end of this.#waiting) end();
  }

  /** True if woken, false if the time ran out or the signal was aborted. Never rejects. */
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
