/**
 * Joins and compresses what changes ahead of the next scrape, so that it need not wait for it.
 *
 * Scrapers come at regular times. What changes long before is left alone, for it may change again; from a little before a scrape is
 * due, changes are made ready as they come:
 *
 *     scrape ─────────────── everyMs ───────────────▶ scrape is due
 *                                     ├── windowMs ──┼── windowMs ──┤
 *
 * The window is long enough for everything to be made ready, and for what changes meanwhile, while pushes and other scrapes take their part
 * of the time. And between two scrapes no more is spent than a part of the time between them: at worst, when nobody comes, in vain.
 */
import type { ChangeConsumer } from '../../../shared/redis/changes/change-feed.ts';
import type { Snapshot } from '../snapshot/snapshot.ts';
import type { Partition } from './scrape-partition.ts';
import { spliceGzip } from './spliced-gzip.ts';
import { applyPending } from '../text/apply-pending.ts';

/** What a part of the text takes. */
const JOIN_MS = 0.03;
const COMPRESS_MS = 0.07;
const WINDOW_MIN_MS = 100;
/** Of what all parts take. */
const WINDOW_SHARE = 3;
/** Of the time between two scrapes. */
const SPEND_SHARE = 0.4;
const SPEND_MIN_MS = 20;
/** Of what all parts take. */
const SPEND_MAX = 4;
/** Who comes less often is no regular scraper. */
const EVERY_MAX_MS = 5 * 60_000;
const SCRAPERS_MAX = 16;
/** So many times as long as it worked it rests. */
const REST = 0.25;

/** What is made ready for somebody. */
export interface ScrapeKind {
  readonly part: Partition;
  readonly isGzip: boolean;
}

interface Scraper extends ScrapeKind {
  readonly atMs: number;
  readonly everyMs: number;
  readonly windowMs: number;
  leftMs: number;
  readonly timer: NodeJS.Timeout | undefined;
}

export class CompressAhead implements ChangeConsumer {
  readonly #snapshot: Snapshot;
  /** Those who came last, in that order. */
  readonly #scrapers = new Map<string, Scraper>();
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

  /** `address` was sent what it asked for, a text in so many parts. */
  scraped(address: string, { part, isGzip }: ScrapeKind, parts: number): void {
    const who = `${address} ${part.i}/${part.n} ${isGzip}`;
    const atMs = performance.now();
    const before = this.#scrapers.get(who);
    clearTimeout(before?.timer);
    const everyMs = atMs - (before?.atMs ?? -Infinity);
    const allMs = parts * (isGzip ? COMPRESS_MS : JOIN_MS);
    const leftMs = Math.min(SPEND_MAX * allMs, Math.max(SPEND_MIN_MS, everyMs * SPEND_SHARE));
    const windowMs = Math.max(WINDOW_MIN_MS, WINDOW_SHARE * allMs);
    // A timer may fire a little early, when it is not due yet.
    const wait = (): NodeJS.Timeout => setTimeout(() => this.#plan(), everyMs - windowMs + 2).unref();
    const timer = everyMs <= EVERY_MAX_MS && everyMs > windowMs ? wait() : undefined;
    this.#scrapers.delete(who);
    this.#scrapers.set(who, { part, isGzip, atMs, everyMs, windowMs, leftMs, timer });
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
    if (this.#isPlanned || this.#due().length === 0) return;
    this.#isPlanned = true;
    const restMs = this.#restedMs - performance.now();
    // At once means: when pushes that wait to be seen have been answered.
    if (restMs > 0) setTimeout(() => void this.#makeReady(), restMs).unref();
    else setImmediate(() => void this.#makeReady());
  }

  #due(): Scraper[] {
    const nowMs = performance.now();
    return [...this.#scrapers.values()].filter(({ atMs, everyMs, windowMs, leftMs }) => {
      return leftMs > 0 && Math.abs(nowMs - atMs - everyMs) <= windowMs;
    });
  }

  async #makeReady(): Promise<void> {
    for (const scraper of this.#due()) {
      const startedMs = performance.now();
      const text = await this.#snapshot.partition(scraper.part.i, scraper.part.n, Date.now());
      await applyPending(text);
      if (scraper.isGzip) await spliceGzip(text.chunks()).catch(() => undefined);
      const tookMs = performance.now() - startedMs;
      scraper.leftMs -= tookMs;
      this.#spentMs += tookMs;
      this.#restedMs = startedMs + (1 + REST) * tookMs;
    }
    this.#isPlanned = false;
  }
}
