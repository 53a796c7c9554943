/**
 * Fetches groups from Redis for the views of all groups (a reader's snapshot, an ingest node's catalogue), each group
 * once: all groups of a shard after a reset, then those that changed; of groups with many families, only the families
 * that changed.
 */
import { Slices } from '../../async/time-slices.ts';
import type { GroupRecord } from '../../records/group-record.ts';
import type { ChangeConsumer } from '../changes/change-feed.ts';
import type { PushOutcomes, ShardChanges } from '../../records/change-record.ts';
import type { RedisClient } from '../connection/client.ts';
import type { GroupStore } from './group-store.ts';
import type { Keyspace } from '../keys.ts';

/** Groups fetched by one pipeline; fewer if they are large. */
const MAX_BATCH_SIZE = 256;
const MIN_BATCH_SIZE = 4;
const BATCH_BYTES = 8 * 1024 * 1024;

interface GroupSink {
  /** IDs of the groups that it holds. */
  ids(): Iterable<string>;
  /** A group as stored in Redis; undefined if it does not exist. */
  set(id: string, record: GroupRecord | undefined, nowMs: number): void;
  /**
   * A group of which only these families may have changed since it was last set or updated. Returns false when the sink
   * needs all of it: `set` follows.
   */
  update(id: string, record: GroupRecord, nowMs: number): boolean;
  /**
   * Does what the first scrape would have to do, until `isOver`; called when every shard has been loaded. Returns the
   * number of steps left.
   */
  applyPending?(isOver: () => boolean): number;
  /** The shard is loaded again: drops what was expected of it. Its groups follow. */
  forget?(shard: number): void;
  /** These pushes are settled. Called before the groups that they changed are set. */
  settle?(outcomes: PushOutcomes): void;
}

interface FollowerEvents {
  readonly onLoaded: (seconds: number) => void;
  readonly onChanged: (records: readonly (GroupRecord | undefined)[]) => void;
}

export class GroupFollower implements ChangeConsumer {
  readonly #store: GroupStore;
  readonly #keyspace: Keyspace;
  readonly #sinks: GroupSink[] = [];
  readonly #events: FollowerEvents[] = [];
  readonly #loaded = new Set<number>();
  #batchSize = MIN_BATCH_SIZE;

  constructor(store: GroupStore, keyspace: Keyspace) {
    this.#store = store;
    this.#keyspace = keyspace;
  }

  add(sink: GroupSink, events?: FollowerEvents): void {
    this.#sinks.push(sink);
    if (events !== undefined) this.#events.push(events);
  }

  /** Loads a shard again. A group keeps its old state until its turn comes. */
  async reset(client: RedisClient, shard: number): Promise<void> {
    const startedMs = performance.now();
    this.#batchSize = MIN_BATCH_SIZE;
    for (const sink of this.#sinks) sink.forget?.(shard);
    const ids = new Set(await this.#store.list(client, shard));
    for (const sink of this.#sinks) for (const id of sink.ids()) if (this.#keyspace.shardOf(id) === shard) ids.add(id);
    await this.#load(client, shard, [...ids]);
    if (!this.#loaded.has(shard) && this.#loaded.add(shard).size === this.#keyspace.shards.length)
      await this.#applyPending();
    for (const { onLoaded } of this.#events) onLoaded((performance.now() - startedMs) / 1000);
  }

  async changes(client: RedisClient, shard: number, changes: ShardChanges): Promise<void> {
    const { groupIds, families, newest, outcomes } = changes;
    for (const sink of this.#sinks) sink.settle?.(outcomes);
    const incomplete = families.size === 0 ? [] : await this.#update(client, shard, [...families], newest);
    await this.#load(client, shard, [...groupIds, ...incomplete], (records) => this.#changed(records));
  }

  #changed(records: readonly (GroupRecord | undefined)[]): void {
    for (const { onChanged } of this.#events) onChanged(records);
  }

  /** Fetches only the families that changed. Returns the groups of which that was not possible. */
  async #update(
    client: RedisClient,
    shard: number,
    families: readonly (readonly [id: string, names: ReadonlySet<string>])[],
    since: string,
  ): Promise<string[]> {
    const incomplete: string[] = [];
    for (let from = 0; from < families.length; from += MAX_BATCH_SIZE) {
      const batch = families.slice(from, from + MAX_BATCH_SIZE);
      const loading = batch.map(async ([id, names]) => this.#store.loadChanged(client, shard, id, { names, since }));
      const records = await Promise.all(loading);
      const now = Date.now();
      const updated: GroupRecord[] = [];
      for (const [i, [id]] of batch.entries()) {
        const record = records[i];
        // Every sink is updated, also after one that needs more.
        const isEnough = record !== undefined && this.#sinks.map((sink) => sink.update(id, record, now)).every(Boolean);
        if (isEnough) updated.push(record);
        else incomplete.push(id);
      }
      this.#changed(updated);
    }
    return incomplete;
  }

  async #applyPending(): Promise<void> {
    const slices = new Slices();
    for (const sink of this.#sinks) {
      while ((sink.applyPending?.(() => slices.isOver) ?? 0) > 0) await slices.next();
    }
  }

  async #load(
    client: RedisClient,
    shard: number,
    ids: readonly string[],
    onBatch?: (records: readonly (GroupRecord | undefined)[]) => void,
  ): Promise<void> {
    let from = 0;
    const fetch = () => {
      if (from >= ids.length) return undefined;
      const batch = ids.slice(from, (from += this.#batchSize));
      const records = this.#store.load(client, shard, batch);
      // The error is thrown where the batch is awaited; if an earlier batch failed, it is not awaited.
      records.catch(() => undefined);
      return { batch, records };
    };
    const slices = new Slices();
    let fetched = fetch();
    while (fetched !== undefined) {
      const { batch } = fetched;
      const records = await fetched.records;
      this.#adaptBatchSize(records);
      // Fetched while the sinks process this batch.
      fetched = fetch();
      const now = Date.now();
      for (const [i, id] of batch.entries()) {
        for (const sink of this.#sinks) sink.set(id, records[i], now);
        if (slices.isOver) await slices.next();
      }
      onBatch?.(records);
    }
  }

  /** Groups have very different sizes: the next batch should have BATCH_BYTES if they are like these. */
  #adaptBatchSize(records: readonly (GroupRecord | undefined)[]): void {
    let bytes = 0;
    for (const record of records) {
      for (const { text, help, exact } of record?.families.values() ?? [])
        bytes += text.length + help.length + exact.length;
    }
    const fitting = Math.floor((BATCH_BYTES * records.length) / Math.max(1, bytes));
    this.#batchSize = Math.max(MIN_BATCH_SIZE, Math.min(MAX_BATCH_SIZE, 2 * this.#batchSize, fitting));
  }
}
