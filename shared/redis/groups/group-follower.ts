/**
 * Brings groups from Redis to those who keep a view of all of them (a reader's snapshot, an ingest node's catalogue), each
 * group fetched once: all of a shard after a reset, then what changed: of groups with many families those that did.
 */
import { Slices } from '../../async/time-slices.ts';
import type { GroupRecord } from '../../records/group-record.ts';
import type { Outcome } from '../../records/push.ts';
import type { ChangeConsumer } from '../changes/change-feed.ts';
import type { ShardChanges } from '../../records/change-record.ts';
import type { RedisClient } from '../connection/connections.ts';
import type { GroupStore } from './group-store.ts';
import type { Keyspace } from '../keys.ts';

/** Groups fetched in one pipeline. */
const LOAD_BATCH = 256;

interface Fetched {
  readonly batch: readonly string[];
  readonly records: Promise<(GroupRecord | undefined)[]>;
}

export interface GroupSink {
  /** IDs of the groups it holds. */
  ids(): Iterable<string>;
  /** A group as it is in Redis; undefined = it does not exist. */
  set(id: string, record: GroupRecord | undefined, nowMs: number): void;
  /**
   * A group that is in Redis, with some of its families: the others have not changed since the group was set or updated before.
   * Returns whether that was enough; if not, the group follows.
   */
  update(id: string, record: GroupRecord, nowMs: number): boolean;
  /** Every shard has been loaded once: does what the first reader would have to do until told to stop; returns how many steps are left. */
  tidy?(isOver: () => boolean): number;
  /** What Redis holds of the shard counts now, whatever was expected: the groups follow. */
  forget?(shard: number): void;
  /** Called before the groups that these pushes changed are set. */
  settle?(outcomes: ReadonlyMap<string, Outcome>): void;
}

export interface FollowerEvents {
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

  /** Loads a shard anew. Until a group's turn comes, what was known of it stands. */
  async reset(client: RedisClient, shard: number): Promise<void> {
    const startedMs = performance.now();
    for (const sink of this.#sinks) sink.forget?.(shard);
    const ids = new Set(await this.#store.list(client, shard));
    for (const sink of this.#sinks) for (const id of sink.ids()) if (this.#keyspace.shardOf(id) === shard) ids.add(id);
    await this.#load(client, shard, [...ids]);
    if (!this.#loaded.has(shard) && this.#loaded.add(shard).size === this.#keyspace.shards.length) await this.#tidy();
    for (const { onLoaded } of this.#events) onLoaded((performance.now() - startedMs) / 1000);
  }

  async changes(
    client: RedisClient,
    shard: number,
    { groupIds, families, newest, outcomes }: ShardChanges,
  ): Promise<void> {
    for (const sink of this.#sinks) sink.settle?.(outcomes);
    const left = families.size === 0 ? [] : await this.#update(client, shard, [...families], newest);
    await this.#load(client, shard, [...groupIds, ...left], (records) => this.#changed(records));
  }

  #changed(records: readonly (GroupRecord | undefined)[]): void {
    for (const { onChanged } of this.#events) onChanged(records);
  }

  /** Brings families that changed; returns the groups that have to be loaded as a whole. */
  async #update(
    client: RedisClient,
    shard: number,
    families: readonly (readonly [id: string, names: ReadonlySet<string>])[],
    since: string,
  ): Promise<string[]> {
    const left: string[] = [];
    for (let from = 0; from < families.length; from += LOAD_BATCH) {
      const batch = families.slice(from, from + LOAD_BATCH);
      const loading = batch.map(
        async ([id, names]) => await this.#store.loadChanged(client, shard, id, { names, since }),
      );
      const records = await Promise.all(loading);
      const now = Date.now();
      const taken: GroupRecord[] = [];
      for (const [i, [id]] of batch.entries()) {
        const record = records[i];
        // Each of them is told.
        const isEnough = record !== undefined && this.#sinks.map((sink) => sink.update(id, record, now)).every(Boolean);
        if (isEnough) taken.push(record);
        else left.push(id);
      }
      this.#changed(taken);
    }
    return left;
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
    const fetch = (from: number): Fetched | undefined => {
      if (from >= ids.length) return undefined;
      const batch = ids.slice(from, from + LOAD_BATCH);
      const records = this.#store.load(client, shard, batch);
      // Whoever has stopped waiting for it has told why.
      records.catch(() => undefined);
      return { batch, records };
    };
    let fetched = fetch(0);
    for (let from = LOAD_BATCH; fetched !== undefined; from += LOAD_BATCH) {
      const { batch } = fetched;
      const records = await fetched.records;
      // On its way while these are taken in.
      fetched = fetch(from);
      const now = Date.now();
      for (const [i, id] of batch.entries()) for (const sink of this.#sinks) sink.set(id, records[i], now);
      onBatch?.(records);
    }
  }
}
