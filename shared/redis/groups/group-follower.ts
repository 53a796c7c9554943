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

/** Groups fetched by one pipeline. */
const BATCH_SIZE = 256;

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
  /** Every shard has been loaded: prepares for the first scrape until `isOver`. Returns the number of steps left. */
  tidy?(isOver: () => boolean): number;
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
    for (const sink of this.#sinks) sink.forget?.(shard);
    const ids = new Set(await this.#store.list(client, shard));
    for (const sink of this.#sinks) for (const id of sink.ids()) if (this.#keyspace.shardOf(id) === shard) ids.add(id);
    await this.#load(client, shard, [...ids]);
    if (!this.#loaded.has(shard) && this.#loaded.add(shard).size === this.#keyspace.shards.length) await this.#tidy();
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
    for (let from = 0; from < families.length; from += BATCH_SIZE) {
      const batch = families.slice(from, from + BATCH_SIZE);
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

  async #tidy(): Promise<void> {
    const slices = new Slices();
    for (const sink of this.#sinks) {
      while ((sink.tidy?.(() => slices.isOver) ?? 0) > 0) await slices.next();
    }
  }

  async #load(
    client: RedisClient,
    shard: number,
    ids: readonly string[],
    onBatch?: (records: readonly (GroupRecord | undefined)[]) => void,
  ): Promise<void> {
    const fetch = (from: number) => {
      if (from >= ids.length) return undefined;
      const batch = ids.slice(from, from + BATCH_SIZE);
      const records = this.#store.load(client, shard, batch);
      // The error is thrown where the batch is awaited; if an earlier batch failed, it is not awaited.
      records.catch(() => undefined);
      return { batch, records };
    };
    let fetched = fetch(0);
    for (let from = BATCH_SIZE; fetched !== undefined; from += BATCH_SIZE) {
      const { batch } = fetched;
      const records = await fetched.records;
      // Fetched while the sinks process this batch.
      fetched = fetch(from);
      const now = Date.now();
      for (const [i, id] of batch.entries()) for (const sink of this.#sinks) sink.set(id, records[i], now);
      onBatch?.(records);
    }
  }
}
