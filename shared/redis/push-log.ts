/**
 * The appending end of the log.
 *
 * Pushes that arrive while an append is on its way are appended together, one pipeline at a time a lane, so that the round
 * trip is shared and pushes of one shard keep their order. While Redis is away they wait, until their own deadline:
 *
 *     queued ──flush──▶ sent ──reply──▶ settled
 *        ▲               │
 *        └── refused ────┤  not carried out: again, as it is
 *        └── no reply ───┘  perhaps carried out: again, marked with `since`, so that the merge drops a second one
 *
 * A push that is past its deadline is settled as unavailable; if it was ever sent, its fate is unknown, and the error says so.
 */
import { Cluster, type Redis } from 'ioredis';
import { GatewayError } from '../errors.ts';
import { backoff, sleep } from '../lifecycle.ts';
import type { Push } from '../state/push.ts';
import { masterOf, type Connections, type RedisClient } from './connections.ts';
import type { Barrier } from './durability.ts';
import type { Keyspace } from './keys.ts';
import { encodePush } from './push-record.ts';
import { classify } from './retry.ts';

const FLUSH_MAX_PUSHES = 512;
const FLUSH_MAX_BYTES = 8 * 1024 * 1024;
const DEADLINE_CHECK_MS = 100;
/** A second append looks for the first among the changes since the last append we know of, and this much before. */
const SINCE_MARGIN_MS = 60_000;

interface Waiting {
  readonly shard: number;
  readonly push: Push;
  readonly deadlineMs: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
  sent: boolean;
  settled: boolean;
  since: string;
}

export class PushLog {
  readonly #keyspace: Keyspace;
  readonly #connections: Connections;
  readonly #abort = new AbortController();
  /** Before start() there are no lanes yet: pushes wait here. */
  #early: Waiting[] = [];
  #laneOf: Lane[] | undefined;
  #client: RedisClient | undefined;
  #deadlineTimer: NodeJS.Timeout | undefined;

  constructor(connections: Connections, keyspace: Keyspace) {
    this.#connections = connections;
    this.#keyspace = keyspace;
    this.#deadlineTimer = setInterval(() => this.#expire(), DEADLINE_CHECK_MS).unref();
  }

  /** With a barrier, a push is acknowledged when the barrier says that it is durable. */
  start(barrier?: Barrier): void {
    const client = this.#connections.open('commands', 'append');
    this.#client = client;
    const laneOf: Lane[] = [];
    for (const shards of this.#connections.lanes(this.#keyspace.shards.length)) {
      const lane = new Lane(client, this.#keyspace, barrier, this.#abort.signal);
      for (const shard of shards) laneOf[shard] = lane;
    }
    this.#laneOf = laneOf;
    for (const waiting of this.#early) laneOf[waiting.shard]?.add(waiting);
    this.#early = [];
  }

  /** Whether an append would reach Redis now, as far as the connection knows. */
  get isConnected(): boolean {
    return this.#client?.status === 'ready';
  }

  /** Resolves when Redis has it. Rejects with `redis_unavailable`, `redis_full` or `shutting_down`. */
  append(shard: number, push: Push, timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const deadlineMs = performance.now() + timeoutMs;
      const waiting = { shard, push, deadlineMs, resolve, reject, sent: false, settled: false, since: '' };
      if (this.#abort.signal.aborted) reject(shuttingDown());
      else if (this.#laneOf === undefined) this.#early.push(waiting);
      else this.#laneOf[shard]?.add(waiting);
    });
  }

  /** Refuses what still waits. */
  destroy(): void {
    clearInterval(this.#deadlineTimer);
    this.#deadlineTimer = undefined;
    this.#abort.abort();
    for (const waiting of this.#early) settle(waiting, shuttingDown());
    for (const lane of new Set(this.#laneOf)) lane.refuseAll();
    if (this.#client !== undefined) this.#connections.close(this.#client);
  }

  #expire(): void {
    const now = performance.now();
    this.#early = this.#early.filter((waiting) => !expire(waiting, now));
    for (const lane of new Set(this.#laneOf)) lane.expire(now);
  }
}

class Lane {
  readonly #client: RedisClient;
  readonly #keyspace: Keyspace;
  readonly #barrier: Barrier | undefined;
  readonly #signal: AbortSignal;
  readonly #lastIds = new Map<number, string>();
  #queue: Waiting[] = [];
  #sent: Waiting[] = [];
  #running = false;

  constructor(client: RedisClient, keyspace: Keyspace, barrier: Barrier | undefined, signal: AbortSignal) {
    this.#client = client;
    this.#keyspace = keyspace;
    this.#barrier = barrier;
    this.#signal = signal;
  }

  add(waiting: Waiting): void {
    this.#queue.push(waiting);
    if (this.#running) return;
    this.#running = true;
    // The rest of this tick's pushes go along.
    setImmediate(() => void this.#run());
  }

  expire(now: number): void {
    this.#queue = this.#queue.filter((waiting) => !expire(waiting, now));
    for (const waiting of this.#sent) expire(waiting, now);
  }

  refuseAll(): void {
    for (const waiting of [...this.#sent, ...this.#queue]) settle(waiting, shuttingDown());
    this.#queue = [];
  }

  async #run(): Promise<void> {
    const pause = backoff({ minMs: 10, maxMs: 500 });
    while (this.#queue.length > 0 && !this.#signal.aborted) {
      const again = await this.#flush();
      if (again.length === 0) {
        pause.reset();
        continue;
      }
      this.#queue = [...again, ...this.#queue];
      await sleep(pause.next(), this.#signal);
    }
    this.#running = false;
  }

  /** Returns, in order, what has to be appended again. */
  async #flush(): Promise<Waiting[]> {
    const batch = this.#take();
    this.#sent = batch;
    const client = this.#barrier === undefined ? this.#client : this.#masterOf(batch[0]?.shard ?? 0);
    if (client === undefined) return this.#notSent(batch);
    const pipeline = client.pipeline();
    for (const waiting of batch) {
      const keys = this.#keyspace.shards[waiting.shard];
      if (keys !== undefined) pipeline.xadd(keys.pushes, '*', ...encodePush(waiting.push, waiting.since));
      waiting.sent = true;
    }
    const [barrier, ...barrierArgs] = this.#barrier?.command ?? [];
    if (barrier !== undefined) pipeline.call(barrier, ...barrierArgs);
    const replies = await pipeline.exec().catch((error: Error) => batch.map((): [Error, unknown] => [error, null]));
    this.#sent = [];
    const [barrierError, barrierReply] = replies?.[batch.length] ?? [new Error('no reply'), null];
    const shortfall = barrierError === null ? this.#barrier?.shortfall(barrierReply) : undefined;
    const again = batch.filter((waiting, i) => {
      const [error, id] = replies?.[i] ?? [new Error('no reply'), null];
      if (error !== null) return this.#failed(waiting, error);
      this.#lastIds.set(waiting.shard, String(id));
      if (this.#barrier !== undefined && barrierError !== null) return this.#unconfirmed(waiting, barrierError);
      settle(waiting, shortfall === undefined ? undefined : notDurable(shortfall));
      return false;
    });
    // Nobody else looks at what a node of a Cluster answers.
    if (again.length > 0 && this.#client instanceof Cluster) this.#client.refreshSlotsCache();
    return again;
  }

  #masterOf(shard: number): Redis | undefined {
    return masterOf(this.#client, this.#keyspace.shards[shard]?.pushes ?? '');
  }

  #notSent(batch: Waiting[]): Waiting[] {
    this.#sent = [];
    if (this.#client instanceof Cluster) this.#client.refreshSlotsCache();
    return batch.filter((waiting) => !waiting.settled);
  }

  /** It is in the log, but not known to be durable. Whether it has to be appended again. */
  #unconfirmed(waiting: Waiting, error: Error): boolean {
    // The master may have become a replica in between: then the push may not be there any more.
    if (classify(error) === 'broken' && !error.message.includes('replica')) {
      settle(waiting, notDurable(error.message));
      return false;
    }
    waiting.since = this.#since(waiting.shard);
    return !waiting.settled;
  }

  /** Whether the push has to be appended again. */
  #failed(waiting: Waiting, error: Error): boolean {
    switch (classify(error)) {
      case 'unknown':
        waiting.since = this.#since(waiting.shard);
        return !waiting.settled;
      case 'refused':
        return !waiting.settled;
      case 'full':
        settle(waiting, new GatewayError('redis_full', 'Redis is out of memory (maxmemory)', { cause: error }));
        return false;
      case 'broken':
        settle(
          waiting,
          new GatewayError('redis_unavailable', `cannot append push: ${error.message}`, { cause: error }),
        );
        return false;
      default:
        return false;
    }
  }

  #take(): Waiting[] {
    let bytes = 0;
    let count = 0;
    while (count < this.#queue.length && count < FLUSH_MAX_PUSHES && bytes < FLUSH_MAX_BYTES) {
      bytes += this.#queue[count]?.push.body.length ?? 0;
      count++;
    }
    return this.#queue.splice(0, count);
  }

  #since(shard: number): string {
    const last = this.#lastIds.get(shard);
    return last === undefined ? '0-0' : `${Math.max(0, Number(last.split('-')[0]) - SINCE_MARGIN_MS)}-0`;
  }
}

function notDurable(shortfall: string): GatewayError {
  const fate = 'Redis has the push, but it may not survive a failover or a crash: push again';
  return new GatewayError('not_durable', `indeterminate: ${shortfall} (--push.durability); ${fate}`);
}

function shuttingDown(): GatewayError {
  return new GatewayError('shutting_down', 'the gateway is shutting down');
}

function expire(waiting: Waiting, now: number): boolean {
  if (now < waiting.deadlineMs) return waiting.settled;
  const fate = waiting.sent ? 'it is not known whether the push was stored' : 'nothing was stored';
  settle(waiting, new GatewayError('redis_unavailable', `Redis did not take the push in time; ${fate}`));
  return true;
}

function settle(waiting: Waiting, error?: Error): void {
  if (waiting.settled) return;
  waiting.settled = true;
  if (error === undefined) waiting.resolve();
  else waiting.reject(error);
}
