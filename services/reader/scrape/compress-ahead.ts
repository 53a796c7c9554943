/**
 * Joins and compresses changed text ahead of the next scrape, so that the scrape need not wait for it.
 *
 * Scrapers come at regular intervals. Changes long before the next scrape are left alone, because the same text may
 * change again; from shortly before the scrape is due, changes are processed as they arrive:
 *
 *     scrape ───────────── intervalMs ─────────────▶ scrape is due
 *                                     ├── windowMs ──┼── windowMs ──┤
 *
 * The window is long enough to process the whole text, and what changes meanwhile, while pushes and other scrapes take
 * their share of the CPU. The time spent between two scrapes is limited to a share of the interval, since it is wasted
 * if no scrape comes.
 */
import type { ChangeConsumer } from '../../../shared/redis/changes/change-feed.ts';
import type { Snapshot } from '../snapshot/snapshot.ts';
import { applyPending } from '../text/apply-pending.ts';
import type { Partition } from './scrape-partition.ts';
import { spliceGzip } from './spliced-gzip.ts';

/** Estimated time to join one chunk of the text, ms. */
const JOIN_MS = 0.03;
/** Estimated time to join and compress one chunk, ms. */
const COMPRESS_MS = 0.07;
const MIN_WINDOW_MS = 100;
/** Length of the window, as a multiple of the time to process the whole text. */
const WINDOW_FACTOR = 3;
/** Share of the scrape interval that may be spent. */
const BUDGET_SHARE = 0.4;
const MIN_BUDGET_MS = 20;
/** Upper limit of the budget, as a multiple of the time to process the whole text. */
const MAX_BUDGET_FACTOR = 4;
/** Interval above which a client does not count as a regular scraper, ms. */
const MAX_INTERVAL_MS = 5 * 60_000;
const MAX_SCRAPERS = 16;
/** Multiple of its interval after which a scraper that has not come no longer counts as regular. */
const MISSED_FACTOR = 3;
/** Rest after each run, as a multiple of its duration. */
const REST_FACTOR = 0.25;

/** What a scraper requests. */
export interface ScrapeKind {
  readonly partition: Partition;
  readonly isGzip: boolean;
}

interface Scraper extends ScrapeKind {
  readonly scrapedMs: number;
  readonly intervalMs: number;
  readonly windowMs: number;
  budgetMs: number;
  readonly timer: NodeJS.Timeout | undefined;
}

export class CompressAhead implements ChangeConsumer {
  readonly #snapshot: Snapshot;
  /** The latest scrapers, in the order of their last scrape. */
  readonly #scrapers = new Map<string, Scraper>();
  #spentMs = 0;
  #restUntilMs = 0;
  #isPlanned = false;

  constructor(snapshot: Snapshot) {
    this.#snapshot = snapshot;
  }

  /** Total time spent, ms. */
  get spentMs(): number {
    return this.#spentMs;
  }

  /** Records that `client` was sent what it requested, as a text of this many chunks. */
  scraped(client: string, { partition, isGzip }: ScrapeKind, chunkCount: number): void {
    const key = `${client} ${partition.i}/${partition.n} ${isGzip}`;
    const scrapedMs = performance.now();
    const before = this.#scrapers.get(key);
    clearTimeout(before?.timer);
    const intervalMs = scrapedMs - (before?.scrapedMs ?? -Infinity);
    const wholeMs = chunkCount * (isGzip ? COMPRESS_MS : JOIN_MS);
    const budgetMs = Math.min(MAX_BUDGET_FACTOR * wholeMs, Math.max(MIN_BUDGET_MS, intervalMs * BUDGET_SHARE));
    const windowMs = Math.max(MIN_WINDOW_MS, WINDOW_FACTOR * wholeMs);
    const isRegular = intervalMs <= MAX_INTERVAL_MS && intervalMs > windowMs;
    // 2 ms later than the window begins, because a timer may fire a little early.
    const timer = isRegular ? setTimeout(() => this.#plan(), intervalMs - windowMs + 2).unref() : undefined;
    this.#scrapers.delete(key);
    this.#scrapers.set(key, { partition, isGzip, scrapedMs, intervalMs, windowMs, budgetMs, timer });
    if (this.#scrapers.size > MAX_SCRAPERS) this.#forget(this.#leastRegular());
  }

  async changes(): Promise<void> {
    this.#plan();
    return await Promise.resolve();
  }

  async reset(): Promise<void> {
    await this.changes();
  }

  destroy(): void {
    for (const key of this.#scrapers.keys()) this.#forget(key);
  }

  /** The one that was last seen first, of those that do not come regularly if there are any. */
  #leastRegular(): string {
    const nowMs = performance.now();
    const keys = [...this.#scrapers.keys()];
    const isRegular = ({ timer, scrapedMs, intervalMs }: Scraper): boolean =>
      timer !== undefined && nowMs - scrapedMs < MISSED_FACTOR * intervalMs;
    const found = keys.find((key) => !isRegular(this.#scrapers.get(key) as Scraper));
    return found ?? (keys[0] as string);
  }

  #forget(key: string): void {
    clearTimeout(this.#scrapers.get(key)?.timer);
    this.#scrapers.delete(key);
  }

  #plan(): void {
    if (this.#isPlanned || this.#due().length === 0) return;
    this.#isPlanned = true;
    const restMs = this.#restUntilMs - performance.now();
    // Even without a rest, pushes that wait for this change are answered first.
    if (restMs > 0) setTimeout(() => void this.#run(), restMs).unref();
    else setImmediate(() => void this.#run());
  }

  #due(): Scraper[] {
    const nowMs = performance.now();
    return [...this.#scrapers.values()].filter(({ scrapedMs, intervalMs, windowMs, budgetMs }) => {
      return budgetMs > 0 && Math.abs(nowMs - scrapedMs - intervalMs) <= windowMs;
    });
  }

  async #run(): Promise<void> {
    for (const scraper of this.#due()) {
      const startedMs = performance.now();
      const text = this.#snapshot.keptPartition(scraper.partition.i, scraper.partition.n);
      if (text === undefined) continue;
      await applyPending(text);
      if (scraper.isGzip) await spliceGzip(text.chunks()).catch(() => undefined);
      const tookMs = performance.now() - startedMs;
      scraper.budgetMs -= tookMs;
      this.#spentMs += tookMs;
      this.#restUntilMs = startedMs + (1 + REST_FACTOR) * tookMs;
    }
    this.#isPlanned = false;
  }
}
