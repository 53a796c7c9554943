import { Keyspace } from '../../../shared/redis/keys.ts';

/** A keyspace with a known number of shards. */
export function makeKeyspace(prefix: string, shardCount: number): Keyspace {
  const keyspace = new Keyspace(prefix);
  keyspace.fix(shardCount);
  return keyspace;
}
