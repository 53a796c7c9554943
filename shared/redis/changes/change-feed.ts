/**
 * Follows the stream `changes` of every shard and passes new entries to its consumers, in order and without gaps:
 *
 *     reset(shard)     what is known about the shard may be stale: load it again; `recent` are the last pushes settled
 *     changes(shard)   these groups changed, some of them only in these families; these pushes were settled
 *
 * A shard is read from the entry last seen, including that entry. If Redis still has it, nothing was missed. If not,
 * there is a gap: the stream was trimmed beyond it, emptied, or lost its end in a failover. Then the shard is reset,
 * after the pushes in its log are merged: consumers may already have seen them merged, by the master that was lost.
 *
 * Notifications wake the feed. Without one, it polls each second.
 */
import type { Logger } from '../../logger.ts';
import { asError } from '../../errors.ts';
import { backoff } from '../../async/backoff.ts';
import { sleep } from '../../async/sleep.ts';
import { Wake } from '../../async/wake.ts';
import { CONNECT_TIMEOUT_MS, ready, type RedisClient } from '../connection/client.ts';
import type { Connections } from '../connection/connections.ts';
import { decodeChanges, type ChangeEntry, type PushOutcomes, type ShardChanges } from '../../records/change-record.ts';
import type { Keyspace } from '../keys.ts';
import { Notifications } from './notifications.ts';
import { explain } from '../connection/connection-errors.ts';
import { readShardBacklog } from '../log/shard-backlog.ts';
import { entriesOf, fieldsOf } from '../reply.ts';

const POLL_INTERVAL_MS = 1_000;
/** Entries read at once. */
const PAGE_SIZE = 1_000;
/** How long after a gap a reset waits for the workers to merge what is in the log. */
const GAP_PATIENCE_MS = 1_000;
const GAP_POLL_INTERVAL_MS = 20;
/** Longest pause between two rounds while there is more to follow. */
const PAUSE_MAX_MS = 200;

/** Calls for one shard never overlap. A consumer that throws is called again after a pause, with a reset. */
export interface ChangeConsumer {
  reset(client: RedisClient, shard: number, recent: PushOutcomes): Promise<void>;
  changes(client: RedisClient, shard: number, changes: ShardChanges): Promise<void>;
}

/** Stream ID of the entry last seen, or the last ID of an emptied stream; '' if the shard has no groups either. */
type Cursor = string;

export class ChangeFeed {
  readonly #connections: Connections;
  readonly #keyspace: Keyspace;
  readonly #logger: Logger;
  readonly #consumers: ChangeConsumer[] = [];
  readonly #abort = new AbortController();
  readonly #wake = new Wake();
  #cursors: (Cursor | undefined)[] = [];
  /** The last cursor of each shard, kept while it is reset. */
  readonly #newestSeen: (Cursor | undefined)[] = [];
  readonly #dirty = new Set<number>();
  #stop: (() => Promise<void>) | undefined;
  #lastCompleteMs = 0;
  readonly #completed = new AbortController();
  readonly #refreshes = new Map<number, Set<string>>();
  /** Shards to be reset. Clearing the cursor is not enough: a round that is following the shard would set it again. */
  readonly #reloads = new Set<number>();
  /** Logged already. */
  readonly #unknownOutcomes = new Set<string>();

  constructor(connections: Connections, keyspace: Keyspace, logger: Logger) {
    this.#connections = connections;
    this.#keyspace = keyspace;
    this.#logger = logger;
  }

  /** Consumers are called in the order in which they were added, so that a later one can rely on an earlier one. */
  add(consumer: ChangeConsumer): void {
    this.#consumers.push(consumer);
  }

  /** When all shards were last known to be up to date, ms since the epoch; 0 = never. */
  get lastCompleteMs(): number {
    return this.#lastCompleteMs;
  }

  get isComplete(): boolean {
    return this.#lastCompleteMs > 0;
  }

  /** Resolves when all shards have been read once, or after `timeoutMs`; returns whether they have. */
  async whenComplete(timeoutMs: number): Promise<boolean> {
    if (!this.isComplete) await sleep(timeoutMs, AbortSignal.any([this.#abort.signal, this.#completed.signal]));
    return this.isComplete;
  }

  /** Stream ID of the newest change read from a shard, `0-0` if there is none; undefined before the shard was read. */
  newestSeen(shard: number): string | undefined {
    const cursor = (this.#newestSeen[shard] = this.#cursors[shard] ?? this.#newestSeen[shard]);
    return cursor === '' ? '0-0' : cursor;
  }

  /** Resets every shard in the next round. */
  reload(): void {
    for (const shard of this.#cursors.keys()) {
      this.#reloads.add(shard);
      this.#dirty.add(shard);
    }
    this.#wake.wake();
  }

  /** Passes a group to the consumers in the next round, as if it had changed. */
  refresh(shard: number, groupId: string): void {
    this.#refreshes.set(shard, (this.#refreshes.get(shard) ?? new Set()).add(groupId));
    this.#dirty.add(shard);
    this.#wake.wake();
  }

  start(): void {
    this.#cursors = this.#keyspace.shards.map(() => undefined);
    const client = this.#connections.open('commands', 'changes');
    const notifications = new Notifications(this.#connections, this.#keyspace, this.#logger, (shard) => {
      this.#dirty.add(shard);
      this.#wake.wake();
    });
    const running = this.#run(client, notifications);
    this.#stop = async () => {
      await running;
      notifications.destroy();
      this.#connections.close(client);
    };
  }

  async destroy(): Promise<void> {
    this.#abort.abort();
    this.#wake.wake();
    await this.#stop?.();
  }

  async #run(client: RedisClient, notifications: Notifications): Promise<void> {
    const { signal } = this.#abort;
    const pause = backoff({ minMs: 50, maxMs: 1_000 });
    let nextPoll = 0;
    await ready(client, CONNECT_TIMEOUT_MS, signal);
    while (!signal.aborted) {
      try {
        const now = performance.now();
        if (now >= nextPoll) {
          for (const shard of this.#cursors.keys()) this.#dirty.add(shard);
          await notifications.ensure(client);
          nextPoll = now + POLL_INTERVAL_MS;
        }
        const poll = this.#dirty.size === this.#cursors.length;
        const startedMs = performance.now();
        await this.#followDirty(client);
        const tookMs = performance.now() - startedMs;
        if (poll) {
          // Only once, because each abort creates an error with a stack.
          if (!this.isComplete) this.#completed.abort();
          this.#lastCompleteMs = Date.now();
        }
        pause.reset();
        if (this.#dirty.size === 0) await this.#wake.wait(Math.max(0, nextPoll - performance.now()), signal);
        // At most half of the time is spent following: under load, a group that changes often is fetched once a round.
        else await sleep(Math.min(tookMs, PAUSE_MAX_MS), signal);
      } catch (thrown) {
        if (signal.aborted) return;
        nextPoll = 0;
        this.#logger.debug({ reason: explain(asError(thrown)) }, 'cannot follow changes');
        await sleep(pause.next(), signal);
      }
    }
  }

  async #followDirty(client: RedisClient): Promise<void> {
    const shards = [...this.#dirty];
    this.#dirty.clear();
    const results = await Promise.allSettled(shards.map((shard) => this.#follow(client, shard)));
    for (const [i, result] of results.entries()) {
      if (result.status === 'fulfilled') continue;
      this.#dirty.add(shards[i] as number);
      throw result.reason;
    }
  }

  async #follow(client: RedisClient, shard: number): Promise<void> {
    await this.#followStream(client, shard);
    const groupIds = this.#refreshes.get(shard);
    if (groupIds === undefined) return;
    this.#refreshes.delete(shard);
    await this.#pass(client, shard, { ...decodeChanges([]), groupIds });
  }

  async #followStream(client: RedisClient, shard: number): Promise<void> {
    const key = this.#keyspace.keysOf(shard).changes;
    for (;;) {
      const cursor = this.#cursors[shard];
      if (this.#reloads.delete(shard) || cursor === undefined) {
        if (await this.#reset(client, shard, key)) continue;
        return;
      }
      const entries = entriesOf(await client.xrange(key, cursor === '' ? '-' : cursor, '+', 'COUNT', PAGE_SIZE));
      if (entries[0]?.id !== cursor) {
        if (entries.length === 0 && (await this.#endOfEmpty(client, shard, key)) === cursor) return;
        await this.#whenMerged(client, shard);
        if (await this.#reset(client, shard, key)) continue;
        return;
      }
      const fresh = entries.slice(1);
      if (fresh.length === 0) return;
      const changes = this.#decode(fresh);
      await this.#pass(client, shard, changes);
      this.#cursors[shard] = changes.newest;
      if (entries.length < PAGE_SIZE) return;
    }
  }

  /** Resolves when the pushes that are in the log now are merged, or after GAP_PATIENCE_MS. */
  async #whenMerged(client: RedisClient, shard: number): Promise<void> {
    const { signal } = this.#abort;
    // A log that cannot be read counts as empty: the groups may still be readable.
    const read = async (): Promise<{ oldest: string; newest: string }> =>
      await readShardBacklog(client, this.#keyspace.keysOf(shard).pushes).catch(() => ({ oldest: '', newest: '' }));
    const { newest, oldest: first } = await read();
    let oldest = first;
    const endMs = performance.now() + GAP_PATIENCE_MS;
    while (oldest !== '' && !isAfter(oldest, newest) && performance.now() < endMs && !signal.aborted) {
      await sleep(GAP_POLL_INTERVAL_MS, signal);
      ({ oldest } = await read());
    }
  }

  /** Returns whether the stream has to be read from here: Redis may have lost data while the shard was loaded. */
  async #reset(client: RedisClient, shard: number, key: string): Promise<boolean> {
    this.#cursors[shard] = undefined;
    // First the end of the stream, then the groups: changes in between are passed twice, which does no harm.
    const recent = entriesOf(await client.xrevrange(key, '+', '-', 'COUNT', PAGE_SIZE));
    const end = recent[0]?.id ?? (await this.#endOfEmpty(client, shard, key));
    // A client may be waiting for one of these pushes.
    const { outcomes } = this.#decode(recent);
    for (const consumer of this.#consumers) await consumer.reset(client, shard, outcomes);
    this.#cursors[shard] = end;
    return end !== undefined;
  }

  /**
   * The cursor for a stream without entries: the last ID that it had. '' if the shard has no groups either; undefined
   * if it has groups but no stream.
   */
  async #endOfEmpty(client: RedisClient, shard: number, key: string): Promise<Cursor | undefined> {
    try {
      const info = (await client.call('XINFO', 'STREAM', key)) as string[];
      return fieldsOf(info).get('last-generated-id');
    } catch (thrown) {
      if (!asError(thrown).message.includes('no such key')) throw thrown;
    }
    return (await client.exists(this.#keyspace.keysOf(shard).groups)) === 0 ? '' : undefined;
  }

  #decode(entries: readonly ChangeEntry[]): ShardChanges {
    const changes = decodeChanges(entries);
    for (const outcome of changes.unknownOutcomes) {
      if (this.#unknownOutcomes.has(outcome)) continue;
      this.#unknownOutcomes.add(outcome);
      this.#logger.warn(
        { outcome },
        'unknown outcome of a push, written by a worker of another version: clients that wait are answered 202',
      );
    }
    return changes;
  }

  async #pass(client: RedisClient, shard: number, changes: ShardChanges): Promise<void> {
    try {
      for (const consumer of this.#consumers) await consumer.changes(client, shard, changes);
    } catch (thrown) {
      this.#cursors[shard] = undefined;
      throw thrown;
    }
  }
}

/** Whether the stream ID `one` is after `other`. */
function isAfter(one: string, other: string): boolean {
  const [ms = 0, sequence = 0] = one.split('-').map(Number);
  const [otherMs = 0, otherSequence = 0] = other.split('-').map(Number);
  return ms > otherMs || (ms === otherMs && sequence > otherSequence);
}
