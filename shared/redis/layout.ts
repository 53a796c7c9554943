/**
 * What is fixed at first use: how many shards there are, and in which form the state is stored. A gateway that would read
 * the state differently must not start.
 */
import { GatewayError } from '../errors.ts';
import type { RedisClient } from './connections.ts';
import type { Keyspace } from './keys.ts';

const FORMAT = 2;

/** Throws `config_invalid` when the state in Redis was laid out differently. */
export async function claimLayout(client: RedisClient, keyspace: Keyspace): Promise<void> {
  const ours = `format=${FORMAT} shards=${keyspace.shards.length}`;
  // Reading first, because a Redis that is full refuses to write even what would change nothing.
  let found = await client.get(keyspace.layout);
  if (found === null) {
    await client.set(keyspace.layout, ours, 'NX');
    found = await client.get(keyspace.layout);
  }
  if (found === ours) return;
  throw new GatewayError(
    'config_invalid',
    `cannot use the state in Redis: it was laid out with "${found}" (key ${keyspace.layout}), this gateway wants "${ours}"; ` +
      'start with the same --redis.shards, or use another --redis.prefix',
  );
}
