/**
 * The worker: takes pushes from the log and merges them into groups. Any number of them may run; they share the log.
 */
import type { Registry } from 'prom-client';
import type { Config } from '../../shared/config/config.ts';
import type { Logger } from '../../shared/logger.ts';
import { sleep, type Service } from '../../shared/lifecycle.ts';
import { BLOCK_MS, type Connections, type RedisClient } from '../../shared/redis/connections.ts';
import { GroupStore } from '../../shared/redis/group-store.ts';
import type { Keyspace } from '../../shared/redis/keys.ts';
import { PushConsumer } from '../../shared/redis/push-consumer.ts';
import { retrying } from '../../shared/redis/retry.ts';
import { attempt, consumeLane, type ConsumeContext } from './consume.ts';
import { Housekeeping } from './housekeeping.ts';
import { PreparePool } from './prepare-pool.ts';
import { reclaimOwn, reclaimStale, renewInHand } from './reclaim.ts';
import { WorkerTelemetry } from './telemetry.ts';

export interface WorkerContext {
  readonly config: Config;
  readonly connections: Connections;
  readonly keyspace: Keyspace;
  readonly registry: Registry;
  readonly logger: Logger;
}

export class WorkerService implements Service {
  readonly #context: WorkerContext;
  readonly #telemetry: WorkerTelemetry;
  readonly #pool: PreparePool;
  readonly #abort = new AbortController();
  readonly #blocking: RedisClient[] = [];
  readonly #lanes: Promise<void>[] = [];
  #housekeeping: Housekeeping | undefined;
  #ready = false;

  constructor(context: WorkerContext) {
    this.#context = context;
    this.#telemetry = new WorkerTelemetry(context.registry);
    this.#pool = new PreparePool(context.config.worker.threads);
  }

  get isReady(): boolean {
    return this.#ready;
  }

  /** Redis must have answered (Connections.detect). Resolves when it reads the log. */
  async start(): Promise<void> {
    const { config, connections, keyspace, logger } = this.#context;
    const { signal } = this.#abort;
    const commands = connections.open('commands', 'worker');
    const consumer = new PushConsumer(keyspace, config.worker.consumerName);
    const store = new GroupStore(keyspace);
    const context: ConsumeContext = {
      commands,
      consumer,
      store,
      pool: this.#pool,
      telemetry: this.#telemetry,
      logger,
      signal,
      maxDeliveries: config.worker.maxDeliveries,
      inHand: new Map(keyspace.shards.map((_, shard) => [shard, new Set()])),
      onReadFailed: async (shards) => {
        for (const shard of shards) {
          await attempt(logger, 'take back lost deliveries', () => retrying(() => reclaimOwn(context, shard), signal));
        }
      },
    };
    for (const shard of keyspace.shards.keys()) {
      await retrying(() => consumer.createGroup(commands, shard), signal);
      await retrying(() => reclaimOwn(context, shard), signal);
      if (signal.aborted) return;
    }
    for (const shards of connections.lanes(keyspace.shards.length)) {
      const blocking = connections.open('blocking', 'log');
      this.#blocking.push(blocking);
      this.#lanes.push(consumeLane(context, blocking, shards, config.worker.batchSize));
    }
    this.#lanes.push(this.#reclaim(context), this.#renew(context));
    this.#housekeeping = new Housekeeping({
      connections,
      keyspace,
      store,
      consumer,
      commands,
      telemetry: this.#telemetry,
      logger,
      deadLetterRetentionMs: config.deadLetter.retentionMs,
    });
    this.#housekeeping.start();
    this.#ready = true;
    logger.info({ consumer: consumer.name, threads: config.worker.threads }, 'worker reads the log');
  }

  /** Finishes the batches under way; what was not read stays in the log. */
  async destroy(): Promise<void> {
    this.#ready = false;
    this.#abort.abort();
    // A blocking read that is cut off may have been given pushes, which would stay pending until somebody claims them.
    const ended = new AbortController();
    const lanes = Promise.all(this.#lanes).finally(() => ended.abort());
    await sleep(2 * BLOCK_MS, ended.signal);
    for (const client of this.#blocking) this.#context.connections.close(client);
    await lanes;
    await this.#housekeeping?.destroy();
    await this.#pool.destroy();
  }

  /** Not in the same loop as claiming, which takes as long as what it claims. */
  async #renew(context: ConsumeContext): Promise<void> {
    while (!context.signal.aborted) {
      await sleep(this.#context.config.worker.claimIdleMs / 4, context.signal);
      await renewInHand(context);
    }
  }

  async #reclaim(context: ConsumeContext): Promise<void> {
    const { claimIdleMs } = this.#context.config.worker;
    const shards = [...this.#context.keyspace.shards.keys()];
    while (!context.signal.aborted) {
      await sleep(claimIdleMs / 3, context.signal);
      await reclaimStale(context, shards, claimIdleMs);
    }
  }
}
