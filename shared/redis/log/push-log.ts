/**
 * The appending end of the log: a push is appended to the lane of its shard (append-lane.ts). While Redis is away it waits there,
 * until its own deadline.
 */
import { GatewayError } from '../../errors.ts';
import type { Push } from '../../records/push.ts';
import { AppendFlush } from './append-pipeline.ts';
import { AppendLane, expire, settle, type Waiting } from './append-queue.ts';
import type { Connections, RedisClient } from '../connection/connections.ts';
import type { Barrier } from '../connection/durability.ts';
import type { Keyspace } from '../keys.ts';
import { encodePush } from '../../records/push-record.ts';

const DEADLINE_CHECK_MS = 100;

export class PushLog {
  readonly #keyspace: Keyspace;
  readonly #connections: Connections;
  readonly #newestChange: (shard: number) => string | undefined;
  readonly #abort = new AbortController();
  /** Before start() there are no lanes yet: pushes wait here. */
  #early: Waiting[] = [];
  #laneOf: AppendLane[] | undefined;
  #client: RedisClient | undefined;
  #deadlineTimer: NodeJS.Timeout | undefined;

  /** `newestChange`: the newest one known of a shard, see append-lane.ts. */
  constructor(connections: Connections, keyspace: Keyspace, newestChange: (shard: number) => string | undefined) {
    this.#newestChange = newestChange;
    this.#connections = connections;
    this.#keyspace = keyspace;
    this.#deadlineTimer = setInterval(() => this.#expire(), DEADLINE_CHECK_MS).unref();
  }

  /** With a barrier, a push is acknowledged when the barrier says that it is durable; it may fall short for so long. */
  start(barrier: Barrier | undefined, patienceMs: number): void {
    const client = this.#connections.open('commands', 'append');
    this.#client = client;
    const [keyspace, newestChange, { signal }] = [this.#keyspace, this.#newestChange, this.#abort];
    const flush = new AppendFlush(barrier);
    const context = { client, keyspace, flush, barrier, patienceMs, newestChange, signal };
    const laneOf: AppendLane[] = [];
    for (const shards of this.#connections.lanes(this.#keyspace.shards.length)) {
      const lane = new AppendLane(context);
      for (const shard of shards) laneOf[shard] = lane;
    }
    this.#laneOf = laneOf;
    for (const waiting of this.#early) laneOf[waiting.shard]?.add(waiting);
    this.#early = [];
  }

  /** Aborted when it is destroyed. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Whether an append would reach Redis now, as far as the connection knows. */
  get isConnected(): boolean {
    return this.#client?.status === 'ready';
  }

  /** Resolves when Redis has it. Rejects with `redis_unavailable`, `redis_full`, `not_durable` or `shutting_down`. */
  append(shard: number, push: Push, timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const deadlineMs = performance.now() + timeoutMs;
      const entry = encodePush(push);
      const waiting: Waiting = {
        shard,
        entry,
        deadlineMs,
        resolve,
        reject,
        mark: undefined,
        inDoubt: false,
        settled: false,
      };
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
    for (const lane of new Set(this.#laneOf)) lane.refuseAll(shuttingDown());
    if (this.#client !== undefined) this.#connections.close(this.#client);
  }

  #expire(): void {
    const now = performance.now();
    this.#early = this.#early.filter((waiting) => !expire(waiting, now));
    for (const lane of new Set(this.#laneOf)) lane.expire(now);
  }
}

function shuttingDown(): GatewayError {
  return new GatewayError('shutting_down', 'the gateway is shutting down');
}
