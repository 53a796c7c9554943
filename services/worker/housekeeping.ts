/**
 * The fleet's chores, each done once however many workers there are: BullMQ's schedulers make one job a period, and one worker
 * gets it.
 *
 *     sweep          groups past their deadline leave the index
 *     dead-letters   those older than the retention are dropped
 */
import { Queue, Worker, type ConnectionOptions } from 'bullmq';
import type { Logger } from '../../shared/logger.ts';
import { asError } from '../../shared/errors.ts';
import { sleep } from '../../shared/async/sleep.ts';
import type { Connections, RedisClient } from '../../shared/redis/connection/connections.ts';
import type { GroupStore } from '../../shared/redis/groups/group-store.ts';
import type { Keyspace } from '../../shared/redis/keys.ts';
import { classify } from '../../shared/redis/connection/error-classes.ts';
import type { WorkerTelemetry } from './telemetry.ts';

const QUEUE = 'housekeeping';
const SWEEP_BATCH = 500;
const EVENTS_KEPT = 100;
const CLOSE_TIMEOUT_MS = 1_000;
/** A Redis that lost its state lost the schedulers too. */
const CHECK_SCHEDULERS_MS = 10_000;

const EVERY_MS = { sweep: 5_000, 'dead-letters': 60_000 } as const;
type Chore = keyof typeof EVERY_MS;

export interface HousekeepingContext {
  readonly connections: Connections;
  readonly keyspace: Keyspace;
  readonly store: GroupStore;
  readonly commands: RedisClient;
  readonly telemetry: WorkerTelemetry;
  readonly logger: Logger;
  /** 0 = dead letters are kept until dropped by hand. */
  readonly deadLetterRetentionMs: number;
}

export class Housekeeping {
  readonly #context: HousekeepingContext;
  readonly #clients: RedisClient[];
  readonly #queue: Queue;
  readonly #worker: Worker;
  readonly #abort = new AbortController();

  constructor(context: HousekeepingContext) {
    const { connections, keyspace, logger } = context;
    this.#context = context;
    const prefix = keyspace.jobs;
    const open = (): ConnectionOptions => {
      const client = connections.open('jobs', QUEUE);
      this.#clients.push(client);
      return client;
    };
    this.#clients = [];
    // Nobody reads them; unless told, BullMQ keeps 10,000.
    const streams = { events: { maxLen: EVENTS_KEPT } };
    this.#queue = new Queue(QUEUE, { connection: open(), prefix, skipVersionCheck: true, streams });
    this.#worker = new Worker(QUEUE, async (job) => await this.#run(job.name as Chore), {
      connection: open(),
      prefix,
      autorun: false,
      skipVersionCheck: true,
    });
    const report = (error: Error): void => logger.debug({ err: error }, 'housekeeping');
    this.#queue.on('error', report);
    this.#worker.on('error', report);
    this.#worker.on('failed', (job, error) => logger.warn({ err: error, chore: job?.name }, 'housekeeping failed'));
  }

  /** Does not wait for Redis. */
  start(): void {
    this.#worker
      .run()
      .catch((thrown: unknown) => this.#context.logger.warn({ err: asError(thrown) }, 'housekeeping stopped'));
    void this.#keepScheduled();
  }

  /** Does not wait for a Redis that is away. */
  async destroy(): Promise<void> {
    this.#abort.abort();
    const closed = new AbortController();
    void Promise.allSettled([this.#worker.close(), this.#queue.close()]).then(() => closed.abort());
    await sleep(CLOSE_TIMEOUT_MS, closed.signal);
    // Fails what still waits for Redis, so that it ends.
    for (const client of this.#clients) this.#context.connections.close(client);
    await sleep(CLOSE_TIMEOUT_MS, closed.signal);
  }

  async #schedule(): Promise<void> {
    for (const [chore, every] of Object.entries(EVERY_MS)) {
      const opts = { removeOnComplete: true, removeOnFail: 10 };
      await this.#queue.upsertJobScheduler(chore, { every }, { name: chore, opts });
    }
  }

  async #keepScheduled(): Promise<void> {
    const { signal } = this.#abort;
    const wanted = Object.keys(EVERY_MS).length;
    while (!signal.aborted) {
      await attempt(this.#context.logger, 'schedule housekeeping', async () => {
        if ((await this.#queue.getJobSchedulersCount()) < wanted) await this.#schedule();
      });
      await sleep(CHECK_SCHEDULERS_MS, signal);
    }
  }

  async #run(chore: Chore): Promise<void> {
    const { keyspace, telemetry } = this.#context;
    for (const shard of keyspace.shards.keys()) {
      switch (chore) {
        case 'sweep':
          await this.#sweep(shard);
          break;
        case 'dead-letters':
          await this.#dropOldDeadLetters(shard);
          break;
        default:
          chore satisfies never;
      }
    }
    telemetry.chore(chore);
  }

  async #sweep(shard: number): Promise<void> {
    const { store, commands } = this.#context;
    let forgotten;
    do forgotten = await store.sweep(commands, shard, SWEEP_BATCH);
    while (forgotten === SWEEP_BATCH);
  }

  async #dropOldDeadLetters(shard: number): Promise<void> {
    const { keyspace, commands, deadLetterRetentionMs } = this.#context;
    if (deadLetterRetentionMs === 0) return;
    await commands.xtrim(
      keyspace.shards[shard]?.dead ?? '',
      'MINID',
      `${Date.now() - Math.ceil(deadLetterRetentionMs)}-0`,
    );
  }
}

/** For what only makes sense while Redis is there: reports other faults, returns whether it worked. */
async function attempt(logger: Logger, what: string, run: () => Promise<void>): Promise<boolean> {
  try {
    await run();
    return true;
  } catch (thrown) {
    if (classify(thrown) === 'broken') logger.warn({ err: asError(thrown) }, `cannot ${what}`);
    return false;
  }
}
