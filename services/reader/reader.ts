/**
 * The reader keeps a snapshot of all live groups, updated by the change feed, and serves it: scrapes, the query API and
 * the page. While Redis is away it serves the last snapshot, in which groups still expire.
 */
import type { FastifyInstance } from 'fastify';
import type { Registry } from 'prom-client';
import type { Config } from '../../shared/config/config.ts';
import { inSlices } from '../../shared/async/time-slices.ts';
import type { Service } from '../../shared/async/service.ts';
import type { Logger } from '../../shared/logger.ts';
import type { ChangeFeed } from '../../shared/redis/changes/change-feed.ts';
import type { GroupFollower } from '../../shared/redis/groups/group-follower.ts';
import type { GroupRecord } from '../../shared/records/group-record.ts';
import { formatSelector } from '../../shared/model/format-selector.ts';
import { stampMs } from '../../shared/records/stamp.ts';
import { Assets } from './page/assets.ts';
import { servePage } from './page/routes.ts';
import { GroupIndex } from './query/group-index.ts';
import { PatternMatcher, patternThread } from './query/pattern-matcher.ts';
import { serveQueryApi } from './query/routes.ts';
import { CompressAhead } from './scrape/compress-ahead.ts';
import { DerivedScrapes } from './scrape/derived-scrapes.ts';
import { serveMetrics } from './scrape/serve-metrics.ts';
import { Snapshot } from './snapshot/snapshot.ts';
import { applyPending } from './text/apply-pending.ts';
import { ReaderTelemetry } from './telemetry.ts';

/** Interval at which expired groups are removed, and what is held for nobody, even without scrapes, ms. */
const RELEASE_INTERVAL_MS = 1_000;
/** Size of changes that may wait for the next scrape. */
const MAX_WAITING_BYTES = 32 * 1024 * 1024;
/** Number of families in the log when more are kept out than before. */
const MAX_LOGGED = 100;

export interface ReaderContext {
  readonly config: Config;
  readonly feed: ChangeFeed;
  readonly follower: GroupFollower;
  readonly registry: Registry;
  readonly logger: Logger;
}

export class ReaderService implements Service {
  readonly #context: ReaderContext;
  readonly #snapshot = new Snapshot();
  readonly #index = new GroupIndex(this.#snapshot);
  readonly #patternThread = patternThread();
  readonly #telemetry: ReaderTelemetry;
  readonly #derived = new DerivedScrapes();
  readonly #startedAt = new Date();
  readonly #ahead = new CompressAhead(this.#snapshot);
  #releaseTimer: NodeJS.Timeout | undefined;
  #isReleasing = false;
  #knownKeptOut = 0;

  constructor(context: ReaderContext) {
    this.#context = context;
    this.#telemetry = new ReaderTelemetry(context.registry, this.#snapshot, context.feed, this.#ahead);
    context.follower.add(this.#snapshot, {
      onLoaded: (seconds) => this.#telemetry.shardLoaded(seconds),
      onChanged: (records) => this.#changed(records),
    });
    context.feed.add(this.#ahead);
  }

  /** True once all shards were loaded. It stays true, because the snapshot is kept while Redis is away. */
  get isReady(): boolean {
    return this.#context.feed.isComplete;
  }

  register(app: FastifyInstance): void {
    const { config, feed, registry } = this.#context;
    const snapshot = this.#snapshot;
    const index = this.#index;
    const patterns = new PatternMatcher(this.#patternThread);
    serveQueryApi(app, { snapshot, index, patterns, feed });
    servePage(app, { config, snapshot, index, patterns, feed, assets: new Assets(), startedAt: this.#startedAt });
    serveMetrics(app, {
      path: config.paths.metrics,
      snapshot,
      feed,
      ahead: this.#ahead,
      derived: this.#derived,
      telemetry: this.#telemetry,
      own: config.web.telemetryInMetrics ? registry : undefined,
      openMetrics: config.web.enableOpenMetrics,
      utf8Names: config.push.enableUtf8Names,
    });
  }

  async start(): Promise<void> {
    this.#releaseTimer = setInterval(() => void this.#release(), RELEASE_INTERVAL_MS).unref();
    return await Promise.resolve();
  }

  async destroy(): Promise<void> {
    clearInterval(this.#releaseTimer);
    this.#ahead.destroy();
    await this.#patternThread.destroy();
  }

  async #release(): Promise<void> {
    if (this.#isReleasing) return;
    this.#isReleasing = true;
    this.#derived.expire();
    this.#index.expire();
    await inSlices((isOver) => this.#snapshot.expire(Date.now(), isOver));
    for (const text of this.#snapshot.lateTexts(MAX_WAITING_BYTES)) await applyPending(text);
    this.#isReleasing = false;
  }

  #changed(records: readonly (GroupRecord | undefined)[]): void {
    const now = Date.now();
    for (const record of records) {
      if (record !== undefined && record.top !== '') this.#telemetry.visible((now - stampMs(record.top)) / 1000);
    }
    this.#reportKeptOut();
  }

  #reportKeptOut(): void {
    const { keptOut } = this.#snapshot.stats;
    if (keptOut > this.#knownKeptOut) {
      for (const { family, labels, reason } of this.#snapshot.keptOut(MAX_LOGGED)) {
        this.#context.logger.warn({ family, group: formatSelector(labels), reason }, 'family kept out of /metrics');
      }
    }
    this.#knownKeptOut = keptOut;
  }
}
