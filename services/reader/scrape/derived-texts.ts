/**
 * Texts that are made from the exposition when somebody requests them: in other formats, or compressed as a stream. One
 * is made for all who request the same version. The number made at once and the number kept are limited, so that clients
 * cannot exhaust CPU or memory:
 *
 *     get() ──the same is made or kept──▶ shared
 *           └─▶ waits for a turn (turns.ts) ──▶ made in slices ──▶ kept until others are made, or for UNUSED_MS
 */
import { Turns } from '../../../shared/async/turns.ts';

const LIMITS = { atOnce: 2, atOncePerClient: 1, waiting: 32, patienceMs: 10_000 } as const;
/** Each may be as large as the exposition. */
const MAX_KEPT = 2;
/** Time after which one that is not requested again is released, ms. */
const UNUSED_MS = 60_000;

interface Kept<T> {
  readonly key: unknown;
  readonly made: Promise<T>;
  usedMs: number;
}

export class DerivedTexts<T> {
  readonly #turns = new Turns(LIMITS);
  /** In the order of their last use. */
  #kept: Kept<T>[] = [];

  /**
   * `current` determines, at the time when it is called, what has to be made: the same key for the same text. Undefined
   * if too many are being made.
   */
  async get(client: string, current: () => Promise<{ key: unknown; make: () => Promise<T> }>): Promise<T | undefined> {
    const found = this.#find((await current()).key);
    if (found !== undefined) return await found;
    const end = await this.#turns.take(client);
    if (end === undefined) return undefined;
    try {
      const { key, make } = await current();
      return await (this.#find(key) ?? this.#keep(key, make()));
    } finally {
      end();
    }
  }

  /** Releases what has not been requested for UNUSED_MS. */
  expire(): void {
    const nowMs = performance.now();
    this.#kept = this.#kept.filter(({ usedMs }) => nowMs - usedMs < UNUSED_MS);
  }

  #find(key: unknown): Promise<T> | undefined {
    const found = this.#kept.find((one) => one.key === key);
    if (found !== undefined) found.usedMs = performance.now();
    return found?.made;
  }

  #keep(key: unknown, made: Promise<T>): Promise<T> {
    const one = { key, made, usedMs: performance.now() };
    this.#kept = [...this.#kept, one].toSorted((a, b) => b.usedMs - a.usedMs).slice(0, MAX_KEPT);
    made.catch(() => {
      this.#kept = this.#kept.filter((other) => other !== one);
    });
    return made;
  }
}
