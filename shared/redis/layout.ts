/** The layout, fixed at first use: number of shards and storage format. With another layout, a gateway must not start. */
import { GatewayError } from '../errors.ts';
import type { RedisClient } from './connection/client.ts';
import type { Topology } from './connection/detect-topology.ts';
import type { Keyspace } from './keys.ts';

/** Storage format, see docs/storage-format.md. */
const FORMAT = 2;

/** The masters of a Cluster share the shards; on one server, each further shard only costs CPU time. */
const DEFAULT_SHARDS: Readonly<Record<Topology, number>> = { single: 1, sentinel: 1, cluster: 16 };

/**
 * Returns the number of shards. At first use it is fixed to `wanted`, 0 = the default of the topology. Throws
 * `config_invalid` when the layout in Redis is another.
 */
export async function claimLayout(
  client: RedisClient,
  keyspace: Keyspace,
  wanted: number,
  topology: Topology,
): Promise<number> {
  // Read first: a Redis that is full refuses even a SET NX that would change nothing.
  let found = await client.get(keyspace.layout);
  if (found === null) {
    await client.set(keyspace.layout, describe(wanted || DEFAULT_SHARDS[topology]), 'NX');
    found = await client.get(keyspace.layout);
  }
  const shards = Number(/ shards=(\d+)$/.exec(found ?? '')?.[1] ?? 0);
  if (shards > 0 && found === describe(shards) && (wanted === 0 || wanted === shards)) return shards;
  const ours = wanted === 0 ? `format=${FORMAT}` : describe(wanted);
  throw new GatewayError(
    'config_invalid',
    `cannot use the state in Redis: its layout is "${found}" (key ${keyspace.layout}), this gateway needs "${ours}"; ` +
      'start with the same --redis.shards, or use another --redis.prefix',
  );
}

function describe(shards: number): string {
  return `format=${FORMAT} shards=${shards}`;
}
