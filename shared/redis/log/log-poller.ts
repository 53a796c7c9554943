/**
 * Waits for work: which shards have pushes in their log.
 *
 * It reads the oldest push of each, and leaves it there; merge.lua takes it. A push that is merged in between is no matter.
 */
import { BLOCK_MS, type RedisClient } from '../connection/connections.ts';
import type { Keyspace } from '../keys.ts';

export class PushWaiter {
  readonly #shards: readonly number[];
  readonly #keys: readonly string[];

  constructor(keyspace: Keyspace, shards: readonly number[]) {
    this.#shards = shards;
    this.#keys = shards.map((shard) => keyspace.shards[shard]?.pushes ?? '');
  }

  /** Blocks up to BLOCK_MS; empty when there was nothing. `client` must be of purpose `blocking`. */
  async wait(client: RedisClient): Promise<number[]> {
    const from = this.#keys.map(() => '0');
    // As buffers: a large body is not to be decoded for nothing.
    const reply = await client.xreadBuffer('COUNT', 1, 'BLOCK', BLOCK_MS, 'STREAMS', ...this.#keys, ...from);
    const found = new Set((reply ?? []).map(([key]) => key.toString('latin1')));
    return this.#shards.filter((_, i) => found.has(this.#keys[i] ?? ''));
  }
}
