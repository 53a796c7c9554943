/**
 * Compresses what changes ahead of the next scrape, so that it need not wait for it.
 *
 * Scrapers come at regular times. What changes long before is left alone, for it may change again; from a little before a scrape is
 * due, changes are compressed as they come:
 *
 *     scrape ─────────────── everyMs ───────────────▶ scrape is due
 *                                     ├── windowMs ──┼── windowMs ──┤
 *
 * Between two scrapes no more time is spent than compressing everything takes: at worst, when nobody comes, it was done twice. And
 * no more than a part of what there is, for pushes and scrapes are under way as well.
 */
import type { ChangeConsumer } from '../../shared/redis/change-feed.ts';
import type { Snapshot } from '../../shared/state/snapshot.ts';
import { spliceGzip } from './spliced-gzip.ts';
import { tidied } from './tidied.ts';

/** What a part of the text takes. */
const PART_MS = 0.07;
const WINDOW_MIN_MS = 100;
/** Of the time between two scrapes. */
const SPEND_SHARE = 0.1;
const SPEND_MIN_MS = 20;
/** Who comes less often is no regular scraper. */
const EVERY_MAX_MS = 5 * 60_000;
const SCRAPERS_MAX = 16;
/** So many times as long as it worked it rests. */
const REST = 1;

interface Scraper {
  readonly atMs: number;
  readonly everyMs: number;
  readonly timer: NodeJS.Timeout | undefined;
}

export class CompressAhead implements ChangeConsumer {
  readonly #snapshot: Snapshot;
  /** Those who came last, in that order. */
  readonly #scrapers = new Map<string, Scraper>();
  #windowMs = WINDOW_MIN_MS;
  #leftMs = 0;
  #spentMs = 0;
  /** When it has rested. */
  #restedMs = 0;
  #isPlanned = false;

  constructor(snapshot: Snapshot) {
    this.#snapshot = snapshot;
  }

  /** On all of it so far. */
  get spentMs(): number {
    return this.#spentMs;
  }

  /** Somebody was sent the snapshot in gzip; `parts` is how many it has. */
  scraped(who: string, parts: number): void {
    const atMs = performance.now();
    const before = this.#scrapers.get(who);
    clearTimeout(before?.timer);
    const everyMs = atMs - (before?.atMs ?? -Infinity);
    const allMs = parts * PART_MS;
    this.#leftMs = Math.min(allMs, Math.max(SPEND_MIN_MS, everyMs * SPEND_SHARE));
    this.#windowMs = Math.max(WINDOW_MIN_MS, 2 * allMs);
    // A timer may fire a little early, when it is not due yet.
    const wait = (): NodeJS.Timeout => setTimeout(() => this.#plan(), everyMs - this.#windowMs + 2).unref();
    const timer = everyMs <= EVERY_MAX_MS && everyMs > this.#windowMs ? wait() : undefined;
    this.#scrapers.delete(who);
    this.#scrapers.set(who, { atMs, everyMs, timer });
    const [first] = this.#scrapers.keys();
    if (this.#scrapers.size > SCRAPERS_MAX && first !== undefined) this.#forget(first);
  }

  async changes(): Promise<void> {
    this.#plan();
    return await Promise.resolve();
  }

  async reset(): Promise<void> {
    await this.changes();
  }

  destroy(): void {
    for (const who of this.#scrapers.keys()) this.#forget(who);
  }

  #forget(who: string): void {
    clearTimeout(this.#scrapers.get(who)?.timer);
    this.#scrapers.delete(who);
  }

  #plan(): void {
    if (this.#isPlanned || this.#leftMs <= 0 || !this.#isDue(performance.now())) return;
    this.#isPlanned = true;
    const restMs = this.#restedMs - performance.now();
    // At once means: when pushes that wait to be seen have been answered.
    if (restMs > 0) setTimeout(() => void this.#compress(), restMs).unref();
    else setImmediate(() => void this.#compress());
  }

  #isDue(nowMs: number): boolean {
    for (const { atMs, everyMs } of this.#scrapers.values()) {
      if (Math.abs(nowMs - atMs - everyMs) <= this.#windowMs) return true;
    }
    return false;
  }

  async #compress(): Promise<void> {
    if (this.#leftMs > 0) {
      const startedMs = performance.now();
      await tidied(this.#snapshot);
      await spliceGzip(this.#snapshot.text()).catch(() => undefined);
      const tookMs = performance.now() - startedMs;
      this.#spentMs += tookMs;
      this.#leftMs -= tookMs;
      this.#restedMs = startedMs + (1 + REST) * tookMs;
    }
    this.#isPlanned = false;
  }
}
