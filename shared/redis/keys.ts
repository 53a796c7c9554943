/**
 * All key names. The keys of a shard share its number as hash tag, and so a Cluster slot: one script can act on them
 * atomically. docs/storage-format.md describes what they hold.
 */
import { shardOf } from '../model/group.ts';
import { sleep } from '../async/sleep.ts';

export interface ShardKeys {
  /** Stream: the write-ahead log. A push leaves it when it is merged or moved to the dead letters. */
  readonly pushes: string;
  /** Sorted set: group ID → deadline, ms since the epoch, `+inf` = never. */
  readonly groups: string;
  /** Stream: which groups changed, and the outcome of each push. Trimmed by age (`keepChangesMs`). */
  readonly changes: string;
  /** Stream: pushes that could not be applied. */
  readonly dead: string;
  /** String: stream ID of the newest change that was trimmed. */
  readonly dropped: string;
  /** Never exists. Declared by a script so that Redis refuses it while some keys of the slot are on another node. */
  readonly absent: string;
  /** Hash: one group. `group('')` is the prefix of all of them. */
  group(id: string): string;
}

export class Keyspace {
  /** String: the number of shards and the storage format, fixed at first use. */
  readonly layout: string;
  /** Prefix of the BullMQ queue for housekeeping. */
  readonly jobs: string;
  readonly #prefix: string;
  readonly #fixed = new AbortController();
  #shards: readonly ShardKeys[] = [];

  constructor(prefix: string) {
    this.#prefix = prefix;
    this.layout = `${prefix}:layout`;
    this.jobs = `{${prefix}:jobs}`;
  }

  /** Empty until their number is known (layout.ts). */
  get shards(): readonly ShardKeys[] {
    return this.#shards;
  }

  /** The shard of a group. The number of shards must be known. */
  shardOf(groupId: string): number {
    return shardOf(groupId, this.#shards.length);
  }

  /** Throws RangeError if there is no such shard. */
  keysOf(shard: number): ShardKeys {
    const keys = this.#shards[shard];
    if (keys === undefined) throw new RangeError(`no shard ${shard}: there are ${this.#shards.length}`);
    return keys;
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

  /** Resolves when the number of shards is known, or after `timeoutMs`; returns whether it is known. */
  async whenFixed(timeoutMs: number, signal: AbortSignal): Promise<boolean> {
    if (this.#shards.length === 0) await sleep(timeoutMs, AbortSignal.any([this.#fixed.signal, signal]));
    return this.#shards.length > 0;
  }
}
