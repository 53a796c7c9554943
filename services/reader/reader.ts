/**
 * The reader: keeps a snapshot of all live groups, fed by the change feed, and serves it. While Redis is away it goes on
 * serving what it has, and TTLs still hold.
 */
import type { FastifyInstance } from 'fastify';
import type { Registry } from 'prom-client';
import type { Config } from '../../shared/config/config.ts';
import type { Service } from '../../shared/lifecycle.ts';
import type { Logger } from '../../shared/logger.ts';
import type { ChangeConsumer, ChangeFeed, ShardChanges } from '../../shared/redis/change-feed.ts';
import type { RedisClient } from '../../shared/redis/connections.ts';
import { GroupStore } from '../../shared/redis/group-store.ts';
import type { Keyspace } from '../../shared/redis/keys.ts';
import { shardOf } from '../../shared/grouping/group.ts';
import { Snapshot } from '../../shared/state/snapshot.ts';
import { stampMs } from '../../shared/state/stamp.ts';
import { serveMetrics } from './serve-metrics.ts';
import { ReaderTelemetry } from './telemetry.ts';

/** Groups fetched in one pipeline. */
const LOAD_BATCH = 256;
/** How often expired text is let go when nobody scrapes. */
const EXPIRE_MS = 1_000;

export interface ReaderContext {
  readonly config: Config;
  readonly feed: ChangeFeed;
  readonly keyspace: Keyspace;
  readonly registry: Registry;
  readonly logger: Logger;
}

export class ReaderService implements Service, ChangeConsumer {
  readonly #context: ReaderContext;
  readonly #store: GroupStore;
  readonly #snapshot = new Snapshot();
  readonly #telemetry: ReaderTelemetry;
  #expireTimer: NodeJS.Timeout | undefined;
  #knownConflicts = 0;

  constructor(context: ReaderContext) {
    this.#context = context;
    this.#store = new GroupStore(context.keyspace);
    this.#telemetry = new ReaderTelemetry(context.registry, this.#snapshot, context.feed);
    context.feed.add(this);
  }

  /** Once everything was loaded; from then on for good, for the snapshot stays. */
  get isReady(): boolean {
    return this.#context.feed.isComplete;
  }

  register(app: FastifyInstance): void {
    const { config, feed } = this.#context;
    serveMetrics(app, config.paths.metrics, this.#snapshot, feed, this.#telemetry);
  }

  async start(): Promise<void> {
    this.#expireTimer = setInterval(() => this.#snapshot.expire(Date.now()), EXPIRE_MS).unref();
    return await Promise.resolve();
  }

  async destroy(): Promise<void> {
    clearInterval(this.#expireTimer);
    return await Promise.resolve();
  }

  /** Loads a shard anew. Until the end of it, what was known is still served. */
  async reset(client: RedisClient, shard: number): Promise<void> {
    const startedMs = performance.now();
    const listed = await this.#store.list(client, shard);
    const ids = new Set(listed);
    const { length: shards } = this.#context.keyspace.shards;
    for (const id of this.#snapshot.ids()) if (shardOf(id, shards) === shard) ids.add(id);
    await this.#load(client, shard, [...ids]);
    this.#telemetry.rebuilt((performance.now() - startedMs) / 1000);
  }

  async changes(client: RedisClient, shard: number, { groupIds }: ShardChanges): Promise<void> {
    await this.#load(client, shard, [...groupIds], (stamp) =>
      this.#telemetry.visible((Date.now() - stampMs(stamp)) / 1000),
    );
    this.#reportConflicts();
  }

  async #load(
    client: RedisClient,
    shard: number,
    ids: readonly string[],
    onStamp?: (stamp: string) => void,
  ): Promise<void> {
    for (let from = 0; from < ids.length; from += LOAD_BATCH) {
      const batch = ids.slice(from, from + LOAD_BATCH);
      const records = await this.#store.load(client, shard, batch);
      const now = Date.now();
      for (const [i, id] of batch.entries()) {
        const record = records[i];
        this.#snapshot.set(id, record, now);
        if (record !== undefined && record.top !== '') onStamp?.(record.top);
      }
    }
  }

  #reportConflicts(): void {
    const { conflicts } = this.#snapshot.stats;
    if (conflicts > this.#knownConflicts) {
      for (const { family, labels, type } of this.#snapshot.conflicts()) {
        const group = JSON.stringify(Object.fromEntries(labels));
        this.#context.logger.warn(
          { family, type, group },
          'family kept out of /metrics: an older push gave it another type',
        );
      }
    }
    this.#knownConflicts = conflicts;
  }
}
