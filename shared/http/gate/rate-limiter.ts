import type { RateLimit } from '../web-config/web-config-file.ts';

/** A token bucket, full at first (as golang.org/x/time/rate has it). */
export class RateLimiter {
  readonly #limit: RateLimit;
  readonly #now: () => number;
  #tokens: number;
  #at: number;

  constructor(limit: RateLimit, now: () => number = () => performance.now()) {
    this.#limit = limit;
    this.#now = now;
    this.#tokens = limit.burst;
    this.#at = now();
  }

  /** False when there is none left. */
  take(): boolean {
    const { intervalMs, burst } = this.#limit;
    const now = this.#now();
    this.#tokens = Math.min(burst, this.#tokens + (now - this.#at) / intervalMs);
    this.#at = now;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }

  /** When there is a token again, in whole seconds. */
  get retryAfterSeconds(): number {
    return Math.max(1, Math.ceil(((1 - this.#tokens) * this.#limit.intervalMs) / 1_000));
  }
}
