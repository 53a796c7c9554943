/**
 * Groups in Redis: merged by script, loaded by index, read back whole.
 */
import { asError } from '../errors.ts';
import { decodeFamilyRecord, type FamilyRecord } from '../state/family-record.ts';
import type { Outcome } from '../state/push.ts';
import { decodeGroupRecord, familyField, type GroupRecord } from '../state/group-record.ts';
import type { RedisClient } from './connections.ts';
import type { Keyspace, ShardKeys } from './keys.ts';
import { Script } from './scripts.ts';

/** For this long a reader can be away and catch up, and a push that was appended twice is recognised. */
export const CHANGES_RETENTION_MS = 90_000;

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

const OUTCOMES: Readonly<Record<string, Outcome>> = {
  a: 'applied',
  s: 'superseded',
  d: 'duplicate',
  x: 'dead-lettered',
};

export function outcomeOf(letter: string): Outcome | undefined {
  return OUTCOMES[letter];
}

export class GroupStore {
  readonly #keyspace: Keyspace;
  readonly #onBroken: (groupId: string, error: Error) => void;
  readonly #merge = new Script('merge');
  readonly #sweep = new Script('sweep');
  readonly #bury = new Script('bury');

  /** `onBroken` is told of groups in Redis that no gateway wrote; they count as not there. */
  constructor(keyspace: Keyspace, onBroken: (groupId: string, error: Error) => void) {
    this.#keyspace = keyspace;
    this.#onBroken = onBroken;
  }

  /** Takes the oldest pushes of a shard from the log and merges them, all or nothing. At least one, however large. */
  async merge(client: RedisClient, shard: number, most: { pushes: number; bytes: number }): Promise<MergeResult> {
    const keys = this.#keys(shard);
    const scriptKeys = [keys.pushes, keys.groups, keys.changes, keys.dead];
    const args = [keys.group(''), most.pushes, most.bytes, CHANGES_RETENTION_MS];
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
    const pipeline = client.pipeline();
    for (const id of ids) pipeline.callBuffer('HGETALL', keys.group(id));
    const replies = (await pipeline.exec()) ?? [];
    return ids.map((id, i) => {
      const [error, fields] = replies[i] ?? [new Error('no reply'), null];
      try {
        if (error !== null) throw error;
        return decodeGroupRecord(id, fields as Buffer[]);
      } catch (thrown) {
        const fault = asError(thrown);
        // One key that somebody else wrote must not keep readers from all others.
        if (error !== null && !error.message.startsWith('WRONGTYPE')) throw error;
        this.#onBroken(id, fault);
        return undefined;
      }
    });
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
