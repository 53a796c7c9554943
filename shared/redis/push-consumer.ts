/**
 * The reading end of the log: one consumer group on each shard's stream, shared by all workers.
 *
 * An entry that was delivered stays pending until merge.lua or bury.lua acknowledges it. What a dead worker left pending is
 * claimed by another one entry at a time: the delivery count is raised for that entry alone, so that a push which kills
 * its worker is found out and does not drag its neighbours along to the dead letters.
 */
import { asError } from '../errors.ts';
import { BLOCK_MS, type RedisClient } from './connections.ts';
import type { Keyspace } from './keys.ts';
import { classify } from './retry.ts';
import { Script } from './scripts.ts';

export const CONSUMER_GROUP = 'workers';

export interface Delivery {
  readonly shard: number;
  readonly entryId: string;
  readonly fields: readonly Buffer[];
  /** 1 for the first time. */
  readonly deliveries: number;
}

export interface StaleEntry {
  readonly entryId: string;
  readonly consumer: string;
  readonly idleMs: number;
  readonly deliveries: number;
}

export class PushConsumer {
  readonly name: string;
  readonly #keyspace: Keyspace;
  readonly #shardOfKey: Map<string, number>;
  readonly #dropConsumer = new Script('drop-consumer');

  constructor(keyspace: Keyspace, name: string) {
    this.name = name;
    this.#keyspace = keyspace;
    this.#shardOfKey = new Map(keyspace.shards.map((keys, shard) => [keys.pushes, shard]));
  }

  /** From the start of the stream, never its end: what was pushed before the first worker came counts too. */
  async createGroup(client: RedisClient, shard: number): Promise<void> {
    try {
      await client.xgroup('CREATE', this.#pushes(shard), CONSUMER_GROUP, '0', 'MKSTREAM');
    } catch (thrown) {
      if (asError(thrown).message.startsWith('BUSYGROUP')) return;
      // A Redis that is full refuses to create what it already has.
      if (classify(thrown) !== 'full' || !(await this.#hasGroup(client, shard))) throw thrown;
    }
  }

  /** Blocks up to BLOCK_MS for pushes nobody has had yet. `client` must be of purpose `blocking`. */
  async read(client: RedisClient, shards: readonly number[], count: number): Promise<Delivery[]> {
    const keys = shards.map((shard) => this.#pushes(shard));
    const reply = await client.xreadgroupBuffer(
      'GROUP',
      CONSUMER_GROUP,
      this.name,
      'COUNT',
      count,
      'BLOCK',
      BLOCK_MS,
      'STREAMS',
      ...keys,
      ...keys.map(() => '>'),
    );
    const deliveries: Delivery[] = [];
    for (const [key, entries] of reply ?? []) {
      const shard = this.#shardOfKey.get(key.toString('latin1')) ?? 0;
      for (const [id, fields] of entries) {
        deliveries.push({ shard, entryId: id.toString('latin1'), fields: fields ?? [], deliveries: 1 });
      }
    }
    return deliveries;
  }

  /** Entries pending for at least `idleMs`, oldest first; of one consumer only, if it is given. */
  async stale(
    client: RedisClient,
    shard: number,
    idleMs: number,
    count: number,
    consumer?: string,
  ): Promise<StaleEntry[]> {
    const only = consumer === undefined ? [] : [consumer];
    const reply = (await client.call(
      'XPENDING',
      this.#pushes(shard),
      CONSUMER_GROUP,
      'IDLE',
      Math.ceil(idleMs),
      '-',
      '+',
      count,
      ...only,
    )) as [string, string, number, number][];
    return reply.map(([entryId, owner, idle, deliveries]) => ({ entryId, consumer: owner, idleMs: idle, deliveries }));
  }

  /** Undefined when another worker was faster, or the entry is gone. Raises the delivery count. */
  async claim(client: RedisClient, shard: number, stale: StaleEntry, idleMs: number): Promise<Delivery | undefined> {
    const reply = (await client.callBuffer(
      'XCLAIM',
      this.#pushes(shard),
      CONSUMER_GROUP,
      this.name,
      Math.ceil(idleMs),
      stale.entryId,
    )) as ([Buffer, Buffer[] | null] | null)[];
    const entry = reply[0];
    if (!entry?.[1]) return undefined;
    return { shard, entryId: stale.entryId, fields: entry[1], deliveries: stale.deliveries + 1 };
  }

  /** The entries count as just delivered again, without a further delivery. Those that are settled are passed over. */
  async renew(client: RedisClient, shard: number, entryIds: readonly string[]): Promise<void> {
    await client.call('XCLAIM', this.#pushes(shard), CONSUMER_GROUP, this.name, 0, ...entryIds, 'JUSTID');
  }

  /** Names and idle times of the shard's consumers that have nothing pending. */
  async idleConsumers(client: RedisClient, shard: number, idleMs: number): Promise<string[]> {
    const reply = (await client.xinfo('CONSUMERS', this.#pushes(shard), CONSUMER_GROUP)) as (string | number)[][];
    return reply.flatMap((pairs) => {
      const about = new Map<unknown, unknown>();
      for (let i = 0; i + 1 < pairs.length; i += 2) about.set(pairs[i], pairs[i + 1]);
      const name = String(about.get('name'));
      return about.get('pending') === 0 && Number(about.get('idle')) >= idleMs && name !== this.name ? [name] : [];
    });
  }

  /** Checks once more, atomically, that nothing is pending. */
  async dropConsumer(client: RedisClient, shard: number, name: string, idleMs: number): Promise<boolean> {
    return (await this.#dropConsumer.run(client, [this.#pushes(shard)], [CONSUMER_GROUP, name, idleMs])) === 1;
  }

  async #hasGroup(client: RedisClient, shard: number): Promise<boolean> {
    return await client.xpending(this.#pushes(shard), CONSUMER_GROUP).then(
      () => true,
      () => false,
    );
  }

  #pushes(shard: number): string {
    const keys = this.#keyspace.shards[shard];
    if (keys === undefined) throw new RangeError(`there is no shard ${shard}`);
    return keys.pushes;
  }
}
