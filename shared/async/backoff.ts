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
