/**
 * Groups in Redis: merged by script, loaded by index, read back whole.
 */
import type { GroupKind } from '../grouping/group.ts';
import { decodeFamilyRecord, type FamilyRecord } from '../state/family-record.ts';
import type { Outcome, Verb } from '../state/push.ts';
import { decodeGroupRecord, familyField, type GroupRecord } from '../state/group-record.ts';
import type { Stamp } from '../state/stamp.ts';
import type { RedisClient } from './connections.ts';
import type { Keyspace, ShardKeys } from './keys.ts';
import { CONSUMER_GROUP } from './push-consumer.ts';
import { Script, type ScriptArgument } from './scripts.ts';

/** For this long a reader can be away and catch up, and a push that was appended twice is recognised. */
export const CHANGES_RETENTION_MS = 90_000;

/** What one push does to one group; WIPE has no group, it is for all of its shard. */
export interface GroupOperation {
  readonly groupId: string;
  readonly verb: Verb;
  readonly kind: GroupKind;
  /** Encoded (grouping/group.ts). */
  readonly labels: string;
  readonly deadlineMs: number;
  readonly arrivalMs: number;
  /** Family name and encoded record (state/family-record.ts), alternating. */
  readonly families: readonly (string | Uint8Array)[];
}

export interface PreparedPush {
  readonly entryId: string;
  readonly stamp: Stamp;
  readonly pushId: string;
  readonly since: string;
  readonly operations: readonly GroupOperation[];
}

/** `gone`: acknowledged by somebody else in the meantime. */
export type MergeOutcome = Outcome | 'gone';

const OUTCOMES: Readonly<Record<string, MergeOutcome>> = {
  a: 'applied',
  s: 'superseded',
  d: 'duplicate',
  x: 'dead-lettered',
  n: 'gone',
};

export function outcomeOf(letter: string): MergeOutcome {
  return OUTCOMES[letter] ?? 'gone';
}

export class GroupStore {
  readonly #keyspace: Keyspace;
  readonly #merge = new Script('merge');
  readonly #sweep = new Script('sweep');
  readonly #bury = new Script('bury');

  constructor(keyspace: Keyspace) {
    this.#keyspace = keyspace;
  }

  /** Merges and acknowledges pushes of one shard, all or nothing. One outcome a push, in order. */
  async merge(client: RedisClient, shard: number, pushes: readonly PreparedPush[]): Promise<MergeOutcome[]> {
    const keys = this.#keys(shard);
    const scriptKeys = [keys.pushes, keys.groups, keys.changes, keys.wiped, keys.dead];
    const keyIndex = new Map<string, number>();
    const args: ScriptArgument[] = [CONSUMER_GROUP, oldestChange(), keys.group(''), pushes.length];
    for (const push of pushes) {
      args.push(push.entryId, push.stamp, push.pushId, push.since, push.operations.length);
      for (const op of push.operations) {
        let index = keyIndex.get(op.groupId);
        if (index === undefined) {
          index = scriptKeys.push(keys.group(op.groupId));
          keyIndex.set(op.groupId, index);
        }
        args.push(index, op.groupId, op.verb, op.kind, op.labels, op.deadlineMs, op.arrivalMs, op.families.length / 2);
        for (let i = 0; i < op.families.length; i += 2) {
          args.push(familyField(op.families[i] as string), asArgument(op.families[i + 1] as string | Uint8Array));
        }
      }
    }
    const outcomes = String(await this.#merge.run(client, scriptKeys, args));
    return Array.from(outcomes, outcomeOf);
  }

  /** Moves a pending push to the dead letters; false when it was not pending any more. */
  async bury(
    client: RedisClient,
    shard: number,
    entryId: string,
    reason: string,
    deliveries: number,
  ): Promise<boolean> {
    const keys = this.#keys(shard);
    const args = [CONSUMER_GROUP, entryId, reason, deliveries, oldestChange()];
    return (await this.#bury.run(client, [keys.pushes, keys.dead, keys.changes], args)) === 1;
  }

  /** Forgets up to `limit` groups of a shard that are past their deadline; returns how many. */
  async sweep(client: RedisClient, shard: number, limit: number): Promise<number> {
    const keys = this.#keys(shard);
    const due = await client.zrangebyscore(keys.groups, '-inf', Date.now(), 'LIMIT', 0, limit);
    if (due.length === 0) return 0;
    const scriptKeys = [keys.pushes, keys.groups, ...due.map((id) => keys.group(id))];
    return Number(await this.#sweep.run(client, scriptKeys, [CONSUMER_GROUP, ...due]));
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
      if (error !== null) throw error;
      return decodeGroupRecord(id, fields as Buffer[]);
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

/** What comes from a thread is a plain Uint8Array. */
function asArgument(record: string | Uint8Array): string | Buffer {
  return typeof record === 'string' ? record : Buffer.from(record.buffer, record.byteOffset, record.byteLength);
}

function oldestChange(): string {
  return `${Date.now() - CHANGES_RETENTION_MS}-0`;
}
