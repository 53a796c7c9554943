/**
 * What is fixed at first use: how many shards there are, and in which form the state is stored. A gateway that would read
 * the state differently must not start.
 */
import { GatewayError } from '../errors.ts';
import type { RedisClient, Topology } from './connection/connections.ts';
import type { Keyspace } from './keys.ts';

const FORMAT = 2;

/** Where one server has all shards, more than one only costs; the masters of a Cluster share them. */
const STANDARD_SHARDS: Readonly<Record<Topology, number>> = { single: 1, sentinel: 1, cluster: 16 };

/** Returns the number of shards: what was laid out, at first use what is `wanted`; 0 = whatever suits the topology. Throws `config_invalid` when it is another. */
export async function claimLayout(
  client: RedisClient,
  keyspace: Keyspace,
  wanted: number,
  topology: Topology,
): Promise<number> {
  // Reading first, because a Redis that is full refuses to write even what would change nothing.
  let found = await client.get(keyspace.layout);
  if (found === null) {
    await client.set(keyspace.layout, describe(wanted || STANDARD_SHARDS[topology]), 'NX');
    found = await client.get(keyspace.layout);
  }
  const shards = Number(/ shards=(\d+)$/.exec(found ?? '')?.[1] ?? 0);
  if (shards > 0 && found === describe(shards) && (wanted === 0 || wanted === shards)) return shards;
  const ours = wanted === 0 ? `format=${FORMAT}` : describe(wanted);
  throw new GatewayError(
    'config_invalid',
    `cannot use the state in Redis: it was laid out with "${found}" (key ${keyspace.layout}), this gateway wants "${ours}"; ` +
      'start with the same --redis.shards, or use another --redis.prefix',
  );
}

function describe(shards: number): string {
  return `format=${FORMAT} shards=${shards}`;
}
