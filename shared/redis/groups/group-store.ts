/**
 * Groups in Redis: merged by script, loaded by index, read back whole, or those of their families that changed.
 */
import { asError } from '../../errors.ts';
import { decodeFamilyRecord, type FamilyRecord } from '../../records/family-record.ts';
import type { Outcome } from '../../records/push.ts';
import { decodeGroupRecord, familyField, type GroupRecord } from '../../records/group-record.ts';
import type { RedisClient } from '../connection/connections.ts';
import type { Keyspace, ShardKeys } from '../keys.ts';
import { outcomeOf } from '../../records/outcome.ts';
import { ownerOf } from '../connection/cluster-routing.ts';
import { Script } from '../scripts/scripts.ts';

const MIN_KEEP_CHANGES_MS = 90_000;
const KEEP_MARGIN_MS = 60_000;

/**
 * For so long a reader can be away and catch up, and a push that was appended twice is recognised: both come no further apart than a push
 * waits for Redis.
 */
export function keepChangesMs(pushTimeoutMs: number): number {
  return Math.max(MIN_KEEP_CHANGES_MS, Math.ceil(pushTimeoutMs) + KEEP_MARGIN_MS);
}

/** What the worker learns of a push that it took. */
export interface Settled {
  readonly outcome: Outcome;
  /** When the log took it, ms since the epoch (the clock of Redis). */
  readonly appendedMs: number;
}

export interface MergeResult {
  readonly settled: readonly Settled[];
  /** Pushes left in the log. */
  readonly left: number;
  /** For each dead letter: its stream ID, a space, and why. */
  readonly reasons: readonly string[];
}

type Reply = [error: Error | null, reply: unknown];

const MOVED = /^(MOVED|ASK)\b/;

export class GroupStore {
  readonly #keyspace: Keyspace;
  readonly #keepChangesMs: number;
  readonly #onBroken: (groupId: string, error: Error) => void;
  readonly #merge = new Script('merge');
  readonly #families = new Script('families');
  readonly #sweep = new Script('sweep');
  readonly #bury = new Script('bury');

  /** `onBroken` is told of groups in Redis that no gateway wrote; they count as not there. */
  constructor(
    keyspace: Keyspace,
    onBroken: (groupId: string, error: Error) => void,
    keepMs: number = MIN_KEEP_CHANGES_MS,
  ) {
    this.#keyspace = keyspace;
    this.#keepChangesMs = keepMs;
    this.#onBroken = onBroken;
  }

  /** Takes the oldest pushes of a shard from the log and merges them, all or nothing. At least one, however large. */
  async merge(client: RedisClient, shard: number, most: { pushes: number; bytes: number }): Promise<MergeResult> {
    const keys = this.#keys(shard);
    const scriptKeys = [keys.pushes, keys.groups, keys.changes, keys.dead, keys.absent, keys.dropped];
    const args = [keys.group(''), most.pushes, most.bytes, this.#keepChangesMs];
    const reply = (await this.#merge.run(client, scriptKeys, args)) as [number, string[], ...string[]];
    const [left, reasons, ...told] = reply;
    const settled = told.map((one): Settled => {
      return { outcome: outcomeOf(one.slice(0, 1)) ?? 'applied', appendedMs: Number(one.slice(1)) };
    });
    return { settled, left, reasons };
  }

  /** Moves the oldest push of a shard to the dead letters; returns its stream ID, '' when there is none. */
  async bury(client: RedisClient, shard: number, reason: string, attempts: number): Promise<string> {
    const keys = this.#keys(shard);
    return String(await this.#bury.run(client, [keys.pushes, keys.dead, keys.changes], [reason, attempts]));
  }

  /** Forgets up to `limit` groups of a shard that are past their deadline; returns how many. */
  async sweep(client: RedisClient, shard: number, limit: number): Promise<number> {
    return Number(await this.#sweep.run(client, [this.#keys(shard).groups], [limit]));
  }

  /** IDs of all groups in a shard's index. One atomic read: pages could miss a group while others leave the index. */
  async list(client: RedisClient, shard: number): Promise<string[]> {
    return await client.zrange(this.#keys(shard).groups, '0', '-1');
  }

  /** Undefined for those that do not exist (any more). Each is read atomically. */
  async load(client: RedisClient, shard: number, ids: readonly string[]): Promise<(GroupRecord | undefined)[]> {
    const keys = this.#keys(shard);
    const pipeline = ownerOf(client, keys.groups)?.pipeline();
    for (const id of ids) pipeline?.callBuffer('HGETALL', keys.group(id));
    const replies = ((await pipeline?.exec()) ?? ids.map(() => [new Error('MOVED'), null])) as Reply[];
    const hasMoved = replies.flatMap(([error], i) => (error !== null && MOVED.test(error.message) ? [i] : []));
    // On its own, a command is sent after its key wherever that has gone.
    const again = hasMoved.map(async (i) => {
      replies[i] = await client.callBuffer('HGETALL', keys.group(ids[i] ?? '')).then(
        (reply): Reply => [null, reply],
        (thrown: unknown): Reply => [asError(thrown), null],
      );
    });
    if (again.length > 0) await Promise.all(again);
    return ids.map((id, i) => this.#decode(id, replies[i] as Reply));
  }

  /**
   * A group with these families of it, and with those that changed since the change with stream ID `since`, as all of them were at one moment.
   * Undefined when that cannot be told; then the whole group is to be loaded.
   */
  async loadChanged(
    client: RedisClient,
    shard: number,
    id: string,
    { names, since }: { readonly names: Iterable<string>; readonly since: string },
  ): Promise<GroupRecord | undefined> {
    const keys = this.#keys(shard);
    const owner = ownerOf(client, keys.changes);
    if (owner === undefined) return undefined;
    try {
      const reply = await this.#families.runBuffer(owner, [keys.group(id), keys.changes], [id, since, ...names]);
      return reply === null ? undefined : decodeGroupRecord(id, reply as Buffer[]);
    } catch {
      // While its slot moves, or as somebody else wrote it: loading all of it finds out.
      return undefined;
    }
  }

  /** One key that somebody else wrote must not keep readers from all others: it counts as not there. */
  #decode(id: string, [error, fields]: Reply): GroupRecord | undefined {
    if (error !== null && !error.message.startsWith('WRONGTYPE')) throw error;
    try {
      if (error !== null) throw error;
      return decodeGroupRecord(id, fields as Buffer[]);
    } catch (thrown) {
      this.#onBroken(id, asError(thrown));
      return undefined;
    }
  }

  /** One family of a group; undefined when it is not there, or not live any more. */
  async loadFamily(client: RedisClient, shard: number, id: string, family: string): Promise<FamilyRecord | undefined> {
    const record = await client.hgetBuffer(this.#keys(shard).group(id), familyField(family));
    if (record === null) return undefined;
    const decoded = decodeFamilyRecord(record);
    return decoded.deadlineMs !== 0 && decoded.deadlineMs <= Date.now() ? undefined : decoded;
  }

  #keys(shard: number): ShardKeys {
    const keys = this.#keyspace.shards[shard];
    if (keys === undefined) throw new RangeError(`there is no shard ${shard}`);
    return keys;
  }
}
