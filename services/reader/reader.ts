/**
 * The reader keeps a snapshot of all live groups, updated by the change feed, and serves it: scrapes, the query API and
 * the page. While Redis is away it serves the last snapshot, in which groups still expire.
 */
import type { FastifyInstance } from 'fastify';
import type { Registry } from 'prom-client';
import type { Config } from '../../shared/config/config.ts';
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
import { serveQueryApi } from './query/routes.ts';
import { CompressAhead } from './scrape/compress-ahead.ts';
import { serveMetrics } from './scrape/serve-metrics.ts';
import { Snapshot } from './snapshot/snapshot.ts';
import { ReaderTelemetry } from './telemetry.ts';

/** Interval at which expired groups are removed even without scrapes, ms. */
const EXPIRE_INTERVAL_MS = 1_000;

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
  readonly #telemetry: ReaderTelemetry;
  readonly #startedAt = new Date();
  readonly #ahead = new CompressAhead(this.#snapshot);
  #expireTimer: NodeJS.Timeout | undefined;
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
    const index = new GroupIndex(snapshot);
    serveQueryApi(app, snapshot, index, feed);
    servePage(app, { config, snapshot, index, feed, assets: new Assets(), startedAt: this.#startedAt });
    serveMetrics(app, {
      path: config.paths.metrics,
      snapshot,
      feed,
      ahead: this.#ahead,
      telemetry: this.#telemetry,
      own: config.web.telemetryInMetrics ? registry : undefined,
      openMetrics: config.web.enableOpenMetrics,
      utf8Names: config.push.enableUtf8Names,
    });
  }

  async start(): Promise<void> {
    this.#expireTimer = setInterval(() => this.#snapshot.expire(Date.now()), EXPIRE_INTERVAL_MS).unref();
    return await Promise.resolve();
  }

  async destroy(): Promise<void> {
    clearInterval(this.#expireTimer);
    this.#ahead.destroy();
    return await Promise.resolve();
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
      for (const { family, labels, reason } of this.#snapshot.keptOut()) {
        this.#context.logger.warn({ family, group: formatSelector(labels), reason }, 'family kept out of /metrics');
      }
    }
    this.#knownKeptOut = keptOut;
  }
}
