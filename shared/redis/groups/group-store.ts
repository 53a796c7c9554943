/** Groups in Redis: merged by a script, listed from the index, loaded as a whole or in part. */
import { asError } from '../../errors.ts';
import { decodeFamilyRecord, type FamilyRecord } from '../../records/family-record.ts';
import type { Outcome } from '../../records/push.ts';
import { decodeGroupRecord, familyField, type GroupRecord } from '../../records/group-record.ts';
import type { RedisClient } from '../connection/client.ts';
import type { Keyspace } from '../keys.ts';
import { outcomeOf } from '../../records/outcome.ts';
import { masterOf } from '../connection/cluster-routing.ts';
import { fieldsOf } from '../reply.ts';
import { Script } from '../scripts/scripts.ts';

const MIN_KEEP_CHANGES_MS = 90_000;
const KEEP_MARGIN_MS = 60_000;

/**
 * How long changes are kept: so long a reader can be away and catch up, and a push that was appended twice is
 * recognised. The second append follows within the time that a push waits for Redis.
 */
export function keepChangesMs(pushTimeoutMs: number): number {
  return Math.max(MIN_KEEP_CHANGES_MS, Math.ceil(pushTimeoutMs) + KEEP_MARGIN_MS);
}

export interface MergeResult {
  /** `appendedMs`: when the push was appended to the log, ms since the epoch (clock of Redis). */
  readonly pushes: readonly { outcome: Outcome; appendedMs: number }[];
  /** Number of pushes left in the log. */
  readonly left: number;
  /** `entry`: stream ID that the push had in the log. */
  readonly deadLetters: readonly { entry: string; reason: string }[];
}

type PipelineReply = [error: Error | null, reply: unknown];

const MOVED = /^(MOVED|ASK)\b/;

export class GroupStore {
  readonly #keyspace: Keyspace;
  readonly #keepChangesMs: number;
  readonly #onBroken: (groupId: string, error: Error) => void;
  readonly #merge = new Script('merge');
  readonly #families = new Script('families');
  readonly #sweep = new Script('sweep');
  readonly #bury = new Script('bury');

  /** `onBroken` is called for groups in Redis that no gateway wrote. They count as absent. */
  constructor(
    keyspace: Keyspace,
    onBroken: (groupId: string, error: Error) => void,
    keepMs: number = MIN_KEEP_CHANGES_MS,
  ) {
    this.#keyspace = keyspace;
    this.#keepChangesMs = keepMs;
    this.#onBroken = onBroken;
  }

  /** Takes the oldest pushes of a shard from the log and merges them in one step: at least one, however large. */
  async merge(client: RedisClient, shard: number, most: { pushes: number; bytes: number }): Promise<MergeResult> {
    const keys = this.#keyspace.keysOf(shard);
    const scriptKeys = [keys.pushes, keys.groups, keys.changes, keys.dead, keys.absent, keys.dropped];
    const args = [keys.group(''), most.pushes, most.bytes, this.#keepChangesMs];
    const reply = (await this.#merge.run(client, scriptKeys, args)) as [number, string[], ...string[]];
    const [left, reasons, ...pushes] = reply;
    const deadLetters = reasons.map((one) => {
      const space = one.indexOf(' ');
      return { entry: one.slice(0, space), reason: one.slice(space + 1) };
    });
    return { pushes: pushes.map(decodeMerged), left, deadLetters };
  }

  /** Moves the oldest push of a shard to the dead letters. Returns the stream ID it had in the log, '' if there is none. */
  async bury(client: RedisClient, shard: number, reason: string, attempts: number): Promise<string> {
    const keys = this.#keyspace.keysOf(shard);
    return String(await this.#bury.run(client, [keys.pushes, keys.dead, keys.changes], [reason, attempts]));
  }

  /** Removes up to `limit` groups that are past their deadline from the index of a shard. Returns how many. */
  async sweep(client: RedisClient, shard: number, limit: number): Promise<number> {
    return Number(await this.#sweep.run(client, [this.#keyspace.keysOf(shard).groups], [limit]));
  }

  /** IDs of all groups of a shard. Read at once: pages could miss a group while others are removed. */
  async list(client: RedisClient, shard: number): Promise<string[]> {
    return await client.zrange(this.#keyspace.keysOf(shard).groups, '0', '-1');
  }

  /** Undefined for groups that do not exist. Each group is read atomically. */
  async load(client: RedisClient, shard: number, ids: readonly string[]): Promise<(GroupRecord | undefined)[]> {
    const keys = this.#keyspace.keysOf(shard);
    const pipeline = masterOf(client, keys.groups)?.pipeline();
    for (const id of ids) pipeline?.callBuffer('HGETALL', keys.group(id));
    const replies = ((await pipeline?.exec()) ?? ids.map(() => [new Error('MOVED'), null])) as PipelineReply[];
    const moved = replies.flatMap(([error], i) => (error !== null && MOVED.test(error.message) ? [i] : []));
    // ioredis follows the redirection of a single command.
    const again = moved.map(async (i) => {
      replies[i] = await client.callBuffer('HGETALL', keys.group(ids[i] ?? '')).then(
        (reply): PipelineReply => [null, reply],
        (thrown: unknown): PipelineReply => [asError(thrown), null],
      );
    });
    if (again.length > 0) await Promise.all(again);
    return ids.map((id, i) => this.#decode(id, replies[i] as PipelineReply));
  }

  /**
   * A group with these families, and those that changed since the change with stream ID `since`, all as of one moment.
   * Undefined when that is not possible: then the whole group has to be loaded.
   */
  async loadChanged(
    client: RedisClient,
    shard: number,
    id: string,
    { names, since }: { readonly names: Iterable<string>; readonly since: string },
  ): Promise<GroupRecord | undefined> {
    const keys = this.#keyspace.keysOf(shard);
    const master = masterOf(client, keys.changes);
    if (master === undefined) return undefined;
    try {
      const reply = await this.#families.run(
        master,
        [keys.group(id), keys.changes],
        [id, since, ...names],
        'callBuffer',
      );
      return reply === null ? undefined : decodeGroupRecord(id, fieldsOf(reply as Buffer[]));
    } catch {
      // The slot moves, or no gateway wrote the group: loading all of it handles both.
      return undefined;
    }
  }

  /** A group that no gateway wrote counts as absent, so that it does not keep readers from the others. */
  #decode(id: string, [error, reply]: PipelineReply): GroupRecord | undefined {
    if (error !== null && !error.message.startsWith('WRONGTYPE')) throw error;
    try {
      if (error !== null) throw error;
      return decodeGroupRecord(id, fieldsOf(reply as Buffer[]));
    } catch (thrown) {
      this.#onBroken(id, asError(thrown));
      return undefined;
    }
  }

  /** One family of a group; undefined if it does not exist or has expired. */
  async loadFamily(client: RedisClient, shard: number, id: string, family: string): Promise<FamilyRecord | undefined> {
    const record = await client.hgetBuffer(this.#keyspace.keysOf(shard).group(id), familyField(family));
    if (record === null) return undefined;
    const decoded = decodeFamilyRecord(record);
    return decoded.deadlineMs !== 0 && decoded.deadlineMs <= Date.now() ? undefined : decoded;
  }
}

/** `a1700000000000`: the letter of the outcome, and when the push was appended. */
function decodeMerged(reply: string): MergeResult['pushes'][number] {
  const outcome = outcomeOf(reply.slice(0, 1));
  if (outcome === undefined) throw new Error(`cannot read the reply of merge.lua: unknown outcome in "${reply}"`);
  return { outcome, appendedMs: Number(reply.slice(1)) };
}
