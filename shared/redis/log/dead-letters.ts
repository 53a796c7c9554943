/**
 * The dead letters of all shards: pushes that could not be applied, kept with the reason until they are replayed, dropped, or
 * older than the retention. The ID of a dead letter is `SHARD:STREAM-ID`.
 */
import type { RedisClient } from '../connection/client.ts';
import type { Keyspace } from '../keys.ts';
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

interface Location {
  readonly shard: number;
  readonly entryId: string;
}

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
    const at = this.#locate(id);
    if (at === undefined) return undefined;
    const { dead } = this.#keyspace.keysOf(at.shard);
    const [entry] = await patiently(() => client.xrangeBuffer(dead, at.entryId, at.entryId));
    return entry === undefined ? undefined : decode(at.shard, at.entryId, entry[1]);
  }

  /** Appends it to the log as a new push with ID `pushId`. False if there is no dead letter with this ID. */
  async replay(client: RedisClient, id: string, pushId: string): Promise<boolean> {
    const at = await this.#find(client, id);
    if (at === undefined) return false;
    const { pushes, dead } = this.#keyspace.keysOf(at.shard);
    return (await this.#replay.run(client, [pushes, dead], [at.entryId, Date.now(), pushId])) === 1;
  }

  /** False if there is no dead letter with this ID. */
  async drop(client: RedisClient, id: string): Promise<boolean> {
    const at = await this.#find(client, id);
    return at !== undefined && (await client.xdel(this.#keyspace.keysOf(at.shard).dead, at.entryId)) === 1;
  }

  /** Drops those of a shard that were put aside before `ms` since the epoch. */
  async dropOlder(client: RedisClient, shard: number, ms: number): Promise<void> {
    await client.xtrim(this.#keyspace.keysOf(shard).dead, 'MINID', `${ms}-0`);
  }

  /** Before a write that must not be repeated: the read waits for a connection. */
  async #find(client: RedisClient, id: string): Promise<Location | undefined> {
    return (await this.get(client, id)) === undefined ? undefined : this.#locate(id);
  }

  #locate(id: string): Location | undefined {
    const [, shard = '', entryId = ''] = /^(\d{1,4}):(\d{1,15}-\d{1,15})$/.exec(id) ?? [];
    return entryId !== '' && Number(shard) < this.#keyspace.shards.length
      ? { shard: Number(shard), entryId }
      : undefined;
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
