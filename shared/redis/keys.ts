/**
 * Key names, in one place. All keys of one shard carry its number as the hash tag, so they share a Cluster slot and one
 * script can act on them atomically.
 */
export interface ShardKeys {
  /** Stream: the write-ahead log. A push leaves it when it is merged, and in no other way. */
  readonly pushes: string;
  /** Sorted set: group ID → deadline in ms, `+inf` when it never expires. */
  readonly groups: string;
  /** Stream: which groups changed and what became of each push, kept for a while (`keepChangesMs`). */
  readonly changes: string;
  /** Stream: pushes that could not be applied. */
  readonly dead: string;
  /** String: stream ID of the newest change that is no longer kept. */
  readonly dropped: string;
  /** Never exists: a script that names it is not run while its slot moves, when some of its keys are elsewhere. */
  readonly absent: string;
  /** Hash: one group. `group('')` is what all of their keys begin with. */
  group(id: string): string;
}

export interface Keyspace {
  readonly shards: readonly ShardKeys[];
  /** String: the layout that was fixed at first use. */
  readonly layout: string;
  /** Prefix of the housekeeping queue. */
  readonly jobs: string;
}

export function makeKeyspace(prefix: string, shardCount: number): Keyspace {
  const shards = Array.from({ length: shardCount }, (_, shard): ShardKeys => {
    const base = `${prefix}:{${shard}}`;
    return {
      pushes: `${base}:pushes`,
      groups: `${base}:groups`,
      changes: `${base}:changes`,
      dead: `${base}:dead`,
      dropped: `${base}:dropped`,
      absent: `${base}:absent`,
      group: (id) => `${base}:group:${id}`,
    };
  });
  return { shards, layout: `${prefix}:layout`, jobs: `{${prefix}:jobs}` };
}
