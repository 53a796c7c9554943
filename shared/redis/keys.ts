/**
 * Key names, in one place. All keys of one shard carry its number as the hash tag, so they share a Cluster slot and one
 * script can act on them atomically.
 */
import { shardOf } from '../model/group.ts';
import { sleep } from '../async/sleep.ts';

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

export class Keyspace {
  /** String: the layout that was fixed at first use. */
  readonly layout: string;
  /** Prefix of the housekeeping queue. */
  readonly jobs: string;
  readonly #prefix: string;
  readonly #fixed = new AbortController();
  #shards: readonly ShardKeys[] = [];

  constructor(prefix: string) {
    this.#prefix = prefix;
    this.layout = `${prefix}:layout`;
    this.jobs = `{${prefix}:jobs}`;
  }

  /** None until Redis has said how many there are (layout.ts). */
  get shards(): readonly ShardKeys[] {
    return this.#shards;
  }

  /** The shard that holds the group; there must be shards. */
  shardOf(groupId: string): number {
    return shardOf(groupId, this.#shards.length);
  }

  fix(shardCount: number): void {
    this.#shards = Array.from({ length: shardCount }, (_, shard): ShardKeys => {
      const base = `${this.#prefix}:{${shard}}`;
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
    this.#fixed.abort();
  }

  /** Resolves with whether there are shards, at the latest after `timeoutMs`. */
  async whenFixed(timeoutMs: number, signal: AbortSignal): Promise<boolean> {
    if (this.#shards.length === 0) await sleep(timeoutMs, AbortSignal.any([this.#fixed.signal, signal]));
    return this.#shards.length > 0;
  }
}
