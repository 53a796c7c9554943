/**
 * The appending end of the log: each push goes to the append queue of its shard. While Redis is away it waits there,
 * until its own deadline.
 */
import { GatewayError } from '../../errors.ts';
import type { Push } from '../../records/push.ts';
import { AppendPipeline } from './append-pipeline.ts';
import { AppendQueue } from './append-queue.ts';
import type { RedisClient } from '../connection/client.ts';
import type { Connections } from '../connection/connections.ts';
import type { Barrier } from '../connection/durability.ts';
import type { Keyspace } from '../keys.ts';
import { encodePush } from '../../records/push-record.ts';

const DEADLINE_CHECK_INTERVAL_MS = 100;

export class PushLog {
  readonly #keyspace: Keyspace;
  readonly #connections: Connections;
  readonly #newestChange: (shard: number) => string | undefined;
  readonly #abort = new AbortController();
  /** By shard; shards on one server share a queue. */
  readonly #queues: AppendQueue[] = [];
  #client: RedisClient | undefined;
  readonly #deadlineTimer: NodeJS.Timeout;

  /** `newestChange`: stream ID of the newest known change of a shard, see append-queue.ts. */
  constructor(connections: Connections, keyspace: Keyspace, newestChange: (shard: number) => string | undefined) {
    this.#newestChange = newestChange;
    this.#connections = connections;
    this.#keyspace = keyspace;
    const expire = (): void => this.#forEachQueue((queue) => queue.expire(performance.now()));
    this.#deadlineTimer = setInterval(expire, DEADLINE_CHECK_INTERVAL_MS).unref();
  }

  /** With a barrier, a push is acknowledged when the barrier confirms it. `patienceMs`: how long it may fall short. */
  start(barrier: Barrier | undefined, patienceMs: number): void {
    const client = this.#connections.open('commands', 'append');
    this.#client = client;
    const [keyspace, newestChange, { signal }] = [this.#keyspace, this.#newestChange, this.#abort];
    const pipeline = new AppendPipeline(barrier);
    const context = { client, keyspace, pipeline, barrier, patienceMs, newestChange, signal };
    for (const shards of this.#connections.colocatedShards(keyspace.shards.length)) {
      const queue = new AppendQueue(context);
      for (const shard of shards) this.#queues[shard] = queue;
    }
  }

  /** Aborted by destroy(). */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Whether an append would reach Redis now, as far as the connection knows. */
  get isConnected(): boolean {
    return this.#client?.status === 'ready';
  }

  /**
   * Resolves when Redis has the push. Rejects with `redis_unavailable`, `redis_full`, `not_durable` or `shutting_down`.
   * The shards are known only after start().
   */
  append(shard: number, push: Push, timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const queue = this.#queues[shard];
      if (queue === undefined || this.#abort.signal.aborted) {
        reject(shuttingDown());
        return;
      }
      const deadlineMs = performance.now() + timeoutMs;
      const state = { resentSince: undefined, inDoubt: false, answered: false };
      queue.add({ shard, entry: encodePush(push), deadlineMs, resolve, reject, ...state });
    });
  }

  /** Rejects the pushes that still wait. */
  destroy(): void {
    clearInterval(this.#deadlineTimer);
    this.#abort.abort();
    this.#forEachQueue((queue) => queue.refuseAll(shuttingDown()));
    if (this.#client !== undefined) this.#connections.close(this.#client);
  }

  #forEachQueue(call: (queue: AppendQueue) => void): void {
    for (const queue of new Set(this.#queues)) call(queue);
  }
}

function shuttingDown(): GatewayError {
  return new GatewayError('shutting_down', 'the gateway is shutting down');
}
