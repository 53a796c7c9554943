/**
 * Compresses what changes as soon as it does, so that the next scrape need not wait for it.
 *
 * When that will come nobody knows, and what is compressed now may change again before. So it may spend as much time between two
 * scrapes as makes no difference to anybody; what changes after that is for the scrape itself.
 */
import type { ChangeConsumer } from '../../shared/redis/change-feed.ts';
import type { Snapshot } from '../../shared/state/snapshot.ts';
import { spliceGzip } from './spliced-gzip.ts';

const BETWEEN_SCRAPES_MS = 20;
/** Changed segments, a twentieth of a millisecond each: more of them at once are left to the scrape. */
const MOST_AT_ONCE = 100;

export class CompressAhead implements ChangeConsumer {
  readonly #snapshot: Snapshot;
  #leftMs = 0;
  #isPlanned = false;

  constructor(snapshot: Snapshot) {
    this.#snapshot = snapshot;
  }

  /** Somebody was sent the snapshot in gzip. */
  scraped(): void {
    this.#leftMs = BETWEEN_SCRAPES_MS;
  }

  async changes(): Promise<void> {
    if (this.#leftMs <= 0 || this.#isPlanned) return await Promise.resolve();
    this.#isPlanned = true;
    // Pushes that wait to be seen are answered first.
    setImmediate(() => void this.#compress());
  }

  async reset(): Promise<void> {
    await this.changes();
  }

  async #compress(): Promise<void> {
    const startedMs = performance.now();
    if (this.#snapshot.tidy(0) <= MOST_AT_ONCE) await spliceGzip(this.#snapshot.text()).catch(() => undefined);
    this.#leftMs -= performance.now() - startedMs;
    this.#isPlanned = false;
  }
}
