/**
 * Periodic jobs that run once for all workers: the schedulers of BullMQ create one job each period, and one worker gets
 * it.
 *
 *     sweep          removes groups that are past their deadline from the index
 *     dead-letters   drops dead letters that are older than the retention
 */
import { Queue, Worker, type ConnectionOptions, type QueueOptions, type WorkerOptions } from 'bullmq';
import type { Logger } from '../../shared/logger.ts';
import { asError } from '../../shared/errors.ts';
import { sleep } from '../../shared/async/sleep.ts';
import type { RedisClient } from '../../shared/redis/connection/client.ts';
import type { Connections } from '../../shared/redis/connection/connections.ts';
import type { GroupStore } from '../../shared/redis/groups/group-store.ts';
import type { Keyspace } from '../../shared/redis/keys.ts';
import { DeadLetters } from '../../shared/redis/log/dead-letters.ts';
import { classify } from '../../shared/redis/connection/error-classes.ts';
import type { WorkerTelemetry } from './telemetry.ts';

const QUEUE = 'housekeeping';
const SWEEP_BATCH_SIZE = 500;
/** BullMQ's default for its event stream, which we do not read, is 10,000. */
const EVENTS_KEPT = 100;
const CLOSE_TIMEOUT_MS = 1_000;
/** Interval at which the schedulers are checked: a Redis that loses its data loses them, too. */
const SCHEDULERS_CHECK_INTERVAL_MS = 10_000;

const INTERVALS_MS = { sweep: 5_000, 'dead-letters': 60_000 } as const;
type Chore = keyof typeof INTERVALS_MS;

interface HousekeepingContext {
  readonly connections: Connections;
  readonly keyspace: Keyspace;
  readonly store: GroupStore;
  readonly commands: RedisClient;
  readonly telemetry: WorkerTelemetry;
  readonly logger: Logger;
  /** 0 = dead letters are kept until they are dropped by hand. */
  readonly deadLetterRetentionMs: number;
}

export class Housekeeping {
  readonly #context: HousekeepingContext;
  readonly #deadLetters: DeadLetters;
  readonly #clients: RedisClient[];
  readonly #queue: Queue;
  readonly #worker: Worker;
  readonly #abort = new AbortController();

  constructor(context: HousekeepingContext) {
    const { connections, keyspace, logger } = context;
    this.#context = context;
    this.#deadLetters = new DeadLetters(keyspace);
    this.#clients = [connections.open('jobs', QUEUE), connections.open('jobs', QUEUE)];
    const [ofQueue, ofWorker] = this.#clients.map((connection: ConnectionOptions) => {
      return { connection, prefix: keyspace.jobs, skipVersionCheck: true };
    }) as [QueueOptions, WorkerOptions];
    this.#queue = new Queue(QUEUE, { ...ofQueue, streams: { events: { maxLen: EVENTS_KEPT } } });
    this.#worker = new Worker(QUEUE, async (job) => this.#run(job.name as Chore), { ...ofWorker, autorun: false });
    const report = (error: Error): void => logger.debug({ err: error }, 'housekeeping');
    this.#queue.on('error', report);
    this.#worker.on('error', report);
    this.#worker.on('failed', (job, error) => logger.warn({ err: error, chore: job?.name }, 'housekeeping failed'));
  }

  /** Does not wait for Redis. */
  start(): void {
    const { logger } = this.#context;
    this.#worker.run().catch((thrown: unknown) => logger.warn({ err: asError(thrown) }, 'housekeeping stopped'));
    void this.#keepScheduled();
  }

  /** Does not wait for a Redis that is away. */
  async destroy(): Promise<void> {
    this.#abort.abort();
    const closed = new AbortController();
    void Promise.allSettled([this.#worker.close(), this.#queue.close()]).then(() => closed.abort());
    await sleep(CLOSE_TIMEOUT_MS, closed.signal);
    // Fails the commands that still wait for Redis, so that BullMQ can close.
    for (const client of this.#clients) this.#context.connections.close(client);
    await sleep(CLOSE_TIMEOUT_MS, closed.signal);
  }

  async #keepScheduled(): Promise<void> {
    const { signal } = this.#abort;
    const chores = Object.entries(INTERVALS_MS);
    while (!signal.aborted) {
      try {
        if ((await this.#queue.getJobSchedulersCount()) < chores.length) {
          const opts = { removeOnComplete: true, removeOnFail: 10 };
          for (const [name, every] of chores) await this.#queue.upsertJobScheduler(name, { every }, { name, opts });
        }
      } catch (thrown) {
        if (classify(thrown) === 'broken')
          this.#context.logger.warn({ err: asError(thrown) }, 'cannot schedule housekeeping');
      }
      await sleep(SCHEDULERS_CHECK_INTERVAL_MS, signal);
    }
  }

  async #run(chore: Chore): Promise<void> {
    const { keyspace, store, commands, telemetry, deadLetterRetentionMs: retentionMs } = this.#context;
    for (const shard of keyspace.shards.keys()) {
      switch (chore) {
        case 'sweep':
          while ((await store.sweep(commands, shard, SWEEP_BATCH_SIZE)) === SWEEP_BATCH_SIZE);
          break;
        case 'dead-letters':
          if (retentionMs === 0) break;
          await this.#deadLetters.dropOlder(commands, shard, Date.now() - Math.ceil(retentionMs));
          break;
        default:
          chore satisfies never;
      }
    }
    telemetry.chore(chore);
  }
}
