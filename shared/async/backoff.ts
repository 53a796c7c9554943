interface BackoffLimits {
  readonly minMs: number;
  readonly maxMs: number;
}

interface Backoff {
  /** Time to wait before the next attempt, ms. */
  next(): number;
  /** Call it after a success: the next wait is then the shortest. */
  reset(): void;
}

/**
 * Waits that double from minMs up to maxMs, each multiplied by a random factor from 0.5 to 1, so that many clients do
 * not retry in step. Never outside the limits.
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
