/** Starting, stopping and waiting. */
import { setMaxListeners } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';

/** `destroy` awaits what is under way, and may be called at any time and more than once. */
export interface Service {
  start(): Promise<void>;
  destroy(): Promise<void>;
}

/** setTimeout takes 32 bits and fires at once for more; longer waits are made of several. */
const maxTimeoutMs = 2 ** 31 - 1;

/**
 * Resolves after `ms`, or at once when the signal is (or becomes) aborted: it never rejects, so that a loop has one way to
 * end, its own look at the signal. Leaves neither timer nor listener behind.
 */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    arm(ms, signal, resolve);
  });
}

/** Calls `done` once, after `ms` or on abort, unless the returned function is called before. */
function arm(ms: number, signal: AbortSignal | undefined, done: () => void): () => void {
  const deadline = performance.now() + ms;
  let timer: NodeJS.Timeout | undefined;
  const disarm = () => {
    clearTimeout(timer);
    signal?.removeEventListener('abort', finish);
  };
  const finish = () => {
    disarm();
    done();
  };
  const tick = () => {
    const left = deadline - performance.now();
    if (left > 0) timer = setTimeout(tick, Math.min(left, maxTimeoutMs));
    else finish();
  };
  if (signal?.aborted) finish();
  else {
    // As many as there are loops wait for the same end; that is no leak.
    if (signal !== undefined) setMaxListeners(0, signal);
    signal?.addEventListener('abort', finish);
    timer = setTimeout(tick, Math.min(ms, maxTimeoutMs));
  }
  return disarm;
}

/** Long work in slices, between which the event loop does what else there is: `if (slices.isOver) await slices.next()`. */
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

export interface BackoffLimits {
  readonly minMs: number;
  readonly maxMs: number;
}

export interface Backoff {
  /** How long to wait before the next attempt. */
  next(): number;
  /** After a success: the next failure begins at the shortest wait. */
  reset(): void;
}

/**
 * Doubles from minMs up to maxMs; of that, a random part from half to all is taken, so that many clients do not come
 * back in step. Never outside the limits.
 */
export function backoff({ minMs, maxMs }: BackoffLimits, random: () => number = Math.random): Backoff {
  let ceiling = minMs;
  return {
    next() {
      const ms = Math.max(minMs, ceiling / 2 + (random() * ceiling) / 2);
      ceiling = Math.min(maxMs, ceiling * 2);
      return ms;
    },
    reset() {
      ceiling = minMs;
    },
  };
}

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
