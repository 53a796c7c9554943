/**
 * Waits until the log of a shard has pushes. It reads the oldest push of each shard and leaves it there for merge.lua:
 * it does not matter if another worker merges the push in between.
 */
import { BLOCK_MS, type RedisClient } from '../connection/client.ts';
import type { Keyspace } from '../keys.ts';

export class LogPoller {
  readonly #shardOf: ReadonlyMap<string, number>;

  /** The shards must be on one server. */
  constructor(keyspace: Keyspace, shards: readonly number[]) {
    this.#shardOf = new Map(shards.map((shard) => [keyspace.keysOf(shard).pushes, shard]));
  }

  /** The shards that have pushes; empty after BLOCK_MS without any. `client` must be of purpose `blocking`. */
  async poll(client: RedisClient): Promise<number[]> {
    const keys = [...this.#shardOf.keys()];
    // As buffers: decoding a large body that nobody reads would be wasted.
    const reply = await client.xreadBuffer('COUNT', 1, 'BLOCK', BLOCK_MS, 'STREAMS', ...keys, ...keys.map(() => '0'));
    return (reply ?? []).flatMap(([key]) => this.#shardOf.get(key.toString('latin1')) ?? []);
  }
}
