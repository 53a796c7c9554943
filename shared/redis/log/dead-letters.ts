/**
 * The dead letters of all shards: pushes that could not be applied, kept with the reason until somebody replays or drops them, or
 * their retention ends. An ID is `SHARD:STREAM-ID`.
 */
import type { RedisClient } from '../connection/connections.ts';
import type { Keyspace, ShardKeys } from '../keys.ts';
import { describeBody } from '../../records/push-record.ts';
import { retrying } from '../connection/error-classes.ts';
import { Script } from '../scripts/scripts.ts';

export interface DeadLetter {
  readonly id: string;
  /** When it was put aside, ms since the epoch. */
  readonly buriedMs: number;
  readonly reason: string;
  /** How often its merge was tried. */
  readonly attempts: number;
  /** The rest of the entry as it was in the log, without the body: whatever it is, it may be broken. */
  readonly push: Readonly<Record<string, string>>;
  /** What it brings to which groups, for people to read. */
  readonly body: string;
}

/** For so long a look is repeated while Redis is away, or a connection is only being opened. */
const PATIENCE_MS = 3_000;

const OWN_FIELDS = new Set(['reason', 'attempts', 'body']);

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

  /** Undefined when there is none of that ID. */
  async get(client: RedisClient, id: string): Promise<DeadLetter | undefined> {
    const at = this.#locate(id);
    if (at === undefined) return undefined;
    const { entryId, keys } = at;
    const [entry] = await patiently(() => client.xrangeBuffer(keys.dead, entryId, entryId));
    return entry === undefined ? undefined : decode(at.shard, at.entryId, entry[1]);
  }

  /** Back to the end of the log, as a push that arrives now under a new push ID. False when there is none of that ID. */
  async replay(client: RedisClient, id: string, pushId: string): Promise<boolean> {
    const at = this.#locate(id);
    // What follows is not repeated, as the second time would find nothing. The look finds out whether there is a connection.
    if (at === undefined || (await this.get(client, id)) === undefined) return false;
    const { pushes, dead } = at.keys;
    return (await this.#replay.run(client, [pushes, dead], [at.entryId, Date.now(), pushId])) === 1;
  }

  /** False when there is none of that ID. */
  async drop(client: RedisClient, id: string): Promise<boolean> {
    const at = this.#locate(id);
    if (at === undefined || (await this.get(client, id)) === undefined) return false;
    return (await client.xdel(at.keys.dead, at.entryId)) === 1;
  }

  #locate(id: string): { shard: number; keys: ShardKeys; entryId: string } | undefined {
    const match = /^(\d{1,4}):(\d{1,15}-\d{1,15})$/.exec(id);
    if (match === null) return undefined;
    const shard = Number(match[1]);
    const keys = this.#keyspace.shards[shard];
    return keys === undefined ? undefined : { shard, keys, entryId: String(match[2]) };
  }
}

function patiently<T>(look: () => Promise<T>): Promise<T> {
  return retrying(look, AbortSignal.timeout(PATIENCE_MS));
}

function decode(shard: number, entryId: string, fields: readonly Buffer[]): DeadLetter {
  const entry = new Map<string, Buffer>();
  for (let i = 0; i + 1 < fields.length; i += 2) entry.set(String(fields[i]), fields[i + 1] as Buffer);
  const push = [...entry].filter(([name]) => !OWN_FIELDS.has(name)).map(([name, value]) => [name, value.toString()]);
  return {
    id: `${shard}:${entryId}`,
    buriedMs: Number(entryId.split('-')[0]),
    reason: String(entry.get('reason') ?? ''),
    attempts: Number(entry.get('attempts') ?? 0),
    push: Object.fromEntries(push) as Record<string, string>,
    body: describeBody(entry.get('body') ?? Buffer.alloc(0)),
  };
}
