/** The worker: merges pushes from the log into groups. Any number of workers may run; one of them takes each push. */
import type { Registry } from 'prom-client';
import type { Config } from '../../shared/config/config.ts';
import type { Logger } from '../../shared/logger.ts';
import type { Service } from '../../shared/async/service.ts';
import { sleep } from '../../shared/async/sleep.ts';
import { BLOCK_MS, type RedisClient } from '../../shared/redis/connection/client.ts';
import type { Connections } from '../../shared/redis/connection/connections.ts';
import type { GroupStore } from '../../shared/redis/groups/group-store.ts';
import type { Keyspace } from '../../shared/redis/keys.ts';
import { LogPoller } from '../../shared/redis/log/log-poller.ts';
import type { Housekeeping } from './housekeeping.ts';
import { runMergeLoop, type MergeContext } from './merge-loop.ts';
import { WorkerTelemetry } from './telemetry.ts';

interface WorkerContext {
  readonly config: Config;
  readonly connections: Connections;
  readonly keyspace: Keyspace;
  readonly store: GroupStore;
  readonly registry: Registry;
  readonly logger: Logger;
}

export class WorkerService implements Service {
  readonly #context: WorkerContext;
  readonly #telemetry: WorkerTelemetry;
  readonly #abort = new AbortController();
  readonly #blocking: RedisClient[] = [];
  readonly #loops: Promise<void>[] = [];
  #housekeeping: Housekeeping | undefined;
  #ready = false;

  constructor(context: WorkerContext) {
    this.#context = context;
    this.#telemetry = new WorkerTelemetry(context.registry);
  }

  get isReady(): boolean {
    return this.#ready;
  }

  /** Redis must have answered (Connections.detect). Resolves when housekeeping runs, too. */
  async start(): Promise<void> {
    const { config, connections, keyspace, store, logger } = this.#context;
    const telemetry = this.#telemetry;
    const commands = connections.open('commands', 'worker');
    const merge: MergeContext = { commands, store, telemetry, logger, signal: this.#abort.signal, ...config.worker };
    for (const shards of connections.colocatedShards(keyspace.shards.length)) {
      const blocking = connections.open('blocking', 'log');
      this.#blocking.push(blocking);
      this.#loops.push(runMergeLoop(merge, new LogPoller(keyspace, shards), blocking));
    }
    const deadLetterRetentionMs = config.deadLetter.retentionMs;
    const context = { connections, keyspace, store, commands, telemetry, logger, deadLetterRetentionMs };
    this.#ready = true;
    logger.info('worker reads the log');
    // BullMQ takes long to load, so merging starts before it and the other roles never load it.
    const housekeeping = await import('./housekeeping.ts');
    if (this.#abort.signal.aborted) return;
    this.#housekeeping = new housekeeping.Housekeeping(context);
    this.#housekeeping.start();
  }

  /** Finishes the merges in progress; the other pushes stay in the log. */
  async destroy(): Promise<void> {
    this.#ready = false;
    this.#abort.abort();
    for (const client of this.#blocking) this.#context.connections.close(client);
    const ended = new AbortController();
    const loops = Promise.all(this.#loops).finally(() => ended.abort());
    await sleep(2 * BLOCK_MS, ended.signal);
    await this.#housekeeping?.destroy();
    await loops;
  }
}
