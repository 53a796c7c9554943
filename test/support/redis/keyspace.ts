import { Keyspace } from '../../../shared/redis/keys.ts';

/** As it is once Redis has said how many shards there are. */
export function makeKeyspace(prefix: string, shardCount: number): Keyspace {
  const keyspace = new Keyspace(prefix);
  keyspace.fix(shardCount);
  return keyspace;
}
