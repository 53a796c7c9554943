/**
 * Follows `changes` of every shard and hands what is new to its consumers, in order, without gaps:
 *
 *     reset(shard)     everything known about the shard may be stale: load it again; `recent` are the last pushes settled
 *     changes(shard)   these groups changed, of some only these families; these pushes were settled
 *
 * A shard is read from the entry last seen, that entry included. If Redis still has it, nothing was missed. If not, the
 * stream was trimmed past it, emptied, or lost its end in a failover: a gap, so the shard is reset, once the pushes in its log
 * are merged: consumers may have seen them merged, by the master that was lost.
 *
 * A notification wakes it; a poll each second is the backstop, so a lost notification costs no more than that.
 */
import type { Logger } from '../../logger.ts';
import { asError } from '../../errors.ts';
import { backoff } from '../../async/backoff.ts';
import { sleep } from '../../async/sleep.ts';
import { Wake } from '../../async/wake.ts';
import type { Outcome } from '../../records/push.ts';
import { CONNECT_TIMEOUT_MS, ready, type Connections, type RedisClient } from '../connection/connections.ts';
import { decodeChanges, type ChangeEntries, type ShardChanges } from '../../records/change-record.ts';
import type { Keyspace } from '../keys.ts';
import { Notifications } from './notifications.ts';
import { explain } from '../connection/connection-errors.ts';
import { Script } from '../scripts/scripts.ts';

export const POLL_MS = 1_000;
const PAGE = 1_000;
/** So long, after a gap, the workers have to merge what is in the log. */
const GAP_PATIENCE_MS = 1_000;
const GAP_LOOK_MS = 20;
/** Longest rest between two rounds while there is more to follow. */
const REST_MAX_MS = 200;

/** Called one at a time for a shard. A consumer that throws is called again, with a reset, after a pause. */
export interface ChangeConsumer {
  reset(client: RedisClient, shard: number, recent: ReadonlyMap<string, Outcome>): Promise<void>;
  changes(client: RedisClient, shard: number, changes: ShardChanges): Promise<void>;
}

/** The last entry seen, or the last ID of a stream that was empty; '' = there was none, and nothing to tell of. */
type Cursor = string;

export class ChangeFeed {
  readonly #connections: Connections;
  readonly #keyspace: Keyspace;
  readonly #logger: Logger;
  readonly #consumers: ChangeConsumer[] = [];
  readonly #abort = new AbortController();
  readonly #wake = new Wake();
  readonly #backlog = new Script('backlog');
  #cursors: (Cursor | undefined)[] = [];
  /** The last ones there were, also while a shard is being reset. */
  readonly #newestSeen: (Cursor | undefined)[] = [];
  readonly #dirty = new Set<number>();
  #client: RedisClient | undefined;
  #notifications: Notifications | undefined;
  #running: Promise<void> | undefined;
  #lastCompleteMs = 0;
  readonly #completed = new AbortController();
  readonly #refreshes = new Map<number, Set<string>>();
  /** Shards to be reset. Not a cursor: whoever is following a shard at the moment will set that. */
  readonly #reloads = new Set<number>();

  constructor(connections: Connections, keyspace: Keyspace, logger: Logger) {
    this.#connections = connections;
    this.#keyspace = keyspace;
    this.#logger = logger;
  }

  /** Consumers are told in the order in which they were added; a later one may rely on an earlier one having seen it. */
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

  /** Resolves with true when all shards have been read once, with false when that takes too long. */
  async whenComplete(timeoutMs: number): Promise<boolean> {
    if (!this.isComplete) await sleep(timeoutMs, AbortSignal.any([this.#abort.signal, this.#completed.signal]));
    return this.isComplete;
  }

  /** The newest change of a shard that was read, `0-0` if there was none; undefined before the shard was read. */
  newestSeen(shard: number): string | undefined {
    const cursor = (this.#newestSeen[shard] = this.#cursors[shard] ?? this.#newestSeen[shard]);
    return cursor === '' ? '0-0' : cursor;
  }

  /** Resets every shard, soon. */
  reload(): void {
    for (const shard of this.#cursors.keys()) {
      this.#reloads.add(shard);
      this.#dirty.add(shard);
    }
    this.#wake.wake();
  }

  /** Tells consumers about a group that did not change, soon. */
  refresh(shard: number, groupId: string): void {
    const groups = this.#refreshes.get(shard);
    if (groups === undefined) this.#refreshes.set(shard, new Set([groupId]));
    else groups.add(groupId);
    this.#dirty.add(shard);
    this.#wake.wake();
  }

  start(): void {
    this.#cursors = this.#keyspace.shards.map(() => undefined);
    this.#client = this.#connections.open('commands', 'changes');
    this.#notifications = new Notifications(this.#connections, this.#keyspace, this.#logger, (shard) => {
      this.#dirty.add(shard);
      this.#wake.wake();
    });
    this.#running = this.#run(this.#client, this.#notifications);
  }

  async destroy(): Promise<void> {
    this.#abort.abort();
    this.#wake.wake();
    await this.#running;
    this.#notifications?.destroy();
    if (this.#client !== undefined) this.#connections.close(this.#client);
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
          nextPoll = now + POLL_MS;
        }
        const poll = this.#dirty.size === this.#cursors.length;
        const startedMs = performance.now();
        await this.#followDirty(client);
        const tookMs = performance.now() - startedMs;
        if (poll) {
          // Once: each abort makes an error with its stack, heard or not.
          if (!this.isComplete) this.#completed.abort();
          this.#lastCompleteMs = Date.now();
        }
        pause.reset();
        if (this.#dirty.size === 0) await this.#wake.wait(Math.max(0, nextPoll - performance.now()), signal);
        // The busier, the more is followed at once: at most half of the time goes into it, and a group that changes often is
        // fetched once a round.
        else await sleep(Math.min(tookMs, REST_MAX_MS), signal);
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
    const settled = await Promise.allSettled(shards.map((shard) => this.#follow(client, shard)));
    for (const [i, result] of settled.entries()) {
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
    await this.#tell(client, shard, { ...decodeChanges([]), groupIds });
  }

  async #followStream(client: RedisClient, shard: number): Promise<void> {
    const key = this.#keyspace.shards[shard]?.changes ?? '';
    for (;;) {
      const cursor = this.#cursors[shard];
      if (this.#reloads.delete(shard) || cursor === undefined) {
        if (await this.#reset(client, shard, key)) continue;
        return;
      }
      const entries = (await client.xrange(key, cursor === '' ? '-' : cursor, '+', 'COUNT', PAGE)) as ChangeEntries;
      if (entries[0]?.[0] !== cursor) {
        if (entries.length === 0 && (await this.#endOfEmpty(client, shard, key)) === cursor) return;
        await this.#whenMerged(client, shard);
        if (await this.#reset(client, shard, key)) continue;
        return;
      }
      const fresh = entries.slice(1);
      if (fresh.length === 0) return;
      const changes = decodeChanges(fresh);
      await this.#tell(client, shard, changes);
      this.#cursors[shard] = changes.newest;
      if (entries.length < PAGE) return;
    }
  }

  /** What is in the log now is merged, or the patience is over. */
  async #whenMerged(client: RedisClient, shard: number): Promise<void> {
    const { signal } = this.#abort;
    const key = this.#keyspace.shards[shard]?.pushes ?? '';
    // Whatever is wrong with the log, the groups can still be read; if Redis is away, that will say so.
    const look = async (): Promise<readonly string[]> =>
      await this.#backlog.run(client, [key], []).then(
        (reply) => (reply as unknown[]).slice(2).map(String),
        () => [],
      );
    const [first = '', newest = ''] = await look();
    let oldest = first;
    const endMs = performance.now() + GAP_PATIENCE_MS;
    while (oldest !== '' && !isAfter(oldest, newest) && performance.now() < endMs && !signal.aborted) {
      await sleep(GAP_LOOK_MS, signal);
      [oldest = ''] = await look();
    }
  }

  /**
   * Returns whether the stream can tell what changed since. Then it has to be asked: Redis may have lost everything while half of it was
   * loaded.
   */
  async #reset(client: RedisClient, shard: number, key: string): Promise<boolean> {
    this.#cursors[shard] = undefined;
    // The end first, then the groups: what changes meanwhile is told again, which does no harm.
    const recent = (await client.xrevrange(key, '+', '-', 'COUNT', PAGE)) as ChangeEntries;
    const end = recent[0]?.[0] ?? (await this.#endOfEmpty(client, shard, key));
    // Whoever waits for one of these pushes need not wait in vain.
    const { outcomes } = decodeChanges(recent);
    for (const consumer of this.#consumers) await consumer.reset(client, shard, outcomes);
    this.#cursors[shard] = end;
    return end !== undefined;
  }

  /**
   * Where a stream without entries ends: it still knows the last ID it gave. '' = there is nothing at all in the shard;
   * undefined = there are groups, but no stream that could say when they change.
   */
  async #endOfEmpty(client: RedisClient, shard: number, key: string): Promise<Cursor | undefined> {
    try {
      const info = (await client.call('XINFO', 'STREAM', key)) as unknown[];
      return String(info[info.indexOf('last-generated-id') + 1]);
    } catch (thrown) {
      if (!asError(thrown).message.includes('no such key')) throw thrown;
    }
    return (await client.exists(this.#keyspace.shards[shard]?.groups ?? '')) === 0 ? '' : undefined;
  }

  async #tell(client: RedisClient, shard: number, changes: ShardChanges): Promise<void> {
    try {
      for (const consumer of this.#consumers) await consumer.changes(client, shard, changes);
    } catch (thrown) {
      this.#cursors[shard] = undefined;
      throw thrown;
    }
  }
}

/** Of two stream IDs. */
function isAfter(one: string, other: string): boolean {
  const [ms = 0, sequence = 0] = one.split('-').map(Number);
  const [otherMs = 0, otherSequence = 0] = other.split('-').map(Number);
  return ms > otherMs || (ms === otherMs && sequence > otherSequence);
}
