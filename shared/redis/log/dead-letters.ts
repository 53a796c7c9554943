/**
 * The dead letters of all shards: pushes that could not be applied, kept with the reason until they are replayed,
 * dropped, or older than the retention. The ID of a dead letter is `SHARD:STREAM-ID`.
 */
import type { RedisClient } from '../connection/client.ts';
import type { Keyspace, ShardKeys } from '../keys.ts';
import { describeBody } from '../../records/push-record.ts';
import { retrying } from '../connection/error-classes.ts';
import { fieldsOf } from '../reply.ts';
import { Script } from '../scripts/scripts.ts';

export interface DeadLetter {
  readonly id: string;
  /** When it was put aside, ms since the epoch. */
  readonly buriedMs: number;
  readonly reason: string;
  /** Number of attempts to merge it. */
  readonly attempts: number;
  /** The other fields of the log entry. Any of them may be missing or invalid. */
  readonly push: Readonly<Record<string, string>>;
  /** The body, as text for people. */
  readonly body: string;
}

/** How long a read is repeated while Redis is away or the connection is only being opened. */
const PATIENCE_MS = 3_000;

export class DeadLetters {
  readonly #keyspace: Keyspace;
  readonly #replay = new Script('replay');

  constructor(keyspace: Keyspace) {
    this.#keyspace = keyspace;
  }

  /** The newest `limit` of all shards, newest first. */
  async list(client: RedisClient, limit: number): Promise<DeadLetter[]> {
    const shards = this.#keyspace.shards.map(async ({ dead }, shard) => {
      const entries = await patiently(() => client.xrevrangeBuffer(dead, '+', '-', 'COUNT', limit));
      return entries.map(([id, fields]) => decode(shard, id.toString(), fields));
    });
    const all = (await Promise.all(shards)).flat();
    return all.toSorted((a, b) => b.buriedMs - a.buriedMs).slice(0, limit);
  }

  /** Undefined if there is no dead letter with this ID. */
  async get(client: RedisClient, id: string): Promise<DeadLetter | undefined> {
    const { shard, entryId, keys } = this.#locate(id);
    if (keys === undefined) return undefined;
    const [entry] = await patiently(() => client.xrangeBuffer(keys.dead, entryId, entryId));
    return entry === undefined ? undefined : decode(shard, entryId, entry[1]);
  }

  /** Appends it to the log as a new push with ID `pushId`. False if there is no dead letter with this ID. */
  async replay(client: RedisClient, id: string, pushId: string): Promise<boolean> {
    const { entryId, keys } = this.#locate(id);
    // What follows must not be repeated. The read waits for a connection.
    if (keys === undefined || (await this.get(client, id)) === undefined) return false;
    return (await this.#replay.run(client, [keys.pushes, keys.dead], [entryId, Date.now(), pushId])) === 1;
  }

  /** False if there is no dead letter with this ID. */
  async drop(client: RedisClient, id: string): Promise<boolean> {
    const { entryId, keys } = this.#locate(id);
    if (keys === undefined || (await this.get(client, id)) === undefined) return false;
    return (await client.xdel(keys.dead, entryId)) === 1;
  }

  /** Drops those of a shard that were put aside before `ms` since the epoch. */
  async dropOlder(client: RedisClient, shard: number, ms: number): Promise<void> {
    await client.xtrim(this.#keyspace.keysOf(shard).dead, 'MINID', `${ms}-0`);
  }

  /** `keys` is undefined if this is not an ID, or there is no such shard. */
  #locate(id: string): { shard: number; entryId: string; keys: ShardKeys | undefined } {
    const [, shard = NaN, entryId = ''] = /^(\d{1,4}):(\d{1,15}-\d{1,15})$/.exec(id) ?? [];
    return { shard: Number(shard), entryId, keys: this.#keyspace.shards[Number(shard)] };
  }
}

function patiently<T>(read: () => Promise<T>): Promise<T> {
  return retrying(read, AbortSignal.timeout(PATIENCE_MS));
}

function decode(shard: number, entryId: string, fields: readonly Buffer[]): DeadLetter {
  const { reason, attempts, body, ...push } = Object.fromEntries(fieldsOf(fields));
  return {
    id: `${shard}:${entryId}`,
    buriedMs: Number(entryId.split('-')[0]),
    reason: String(reason ?? ''),
    attempts: Number(attempts ?? 0),
    push: Object.fromEntries(Object.entries(push).map(([name, value]) => [name, value.toString()])),
    body: describeBody(body ?? Buffer.alloc(0)),
  };
}
