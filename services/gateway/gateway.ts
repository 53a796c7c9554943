/**
 * Wires the roles of one process:
 *
 *     created ──start()──▶ listening ──Redis answers──▶ running ──destroy()──▶ draining ──▶ stopped
 *
 * The port opens before Redis answers: probes and telemetry report what is missing, pushes wait for a limited time, and
 * a reader that has loaded nothing yet answers scrapes with 503. destroy() drains from any state.
 */
import type { FastifyInstance } from 'fastify';
import { collectDefaultMetrics, Registry } from 'prom-client';
import type { Config } from '../../shared/config/config.ts';
import { PUSH_PATH } from '../../shared/model/group.ts';
import { serveLifecycle } from './routes/lifecycle.ts';
import { serveProfiles } from './routes/profiles.ts';
import { instrument } from './routes/self-metrics.ts';
import { createApp, listen } from '../../shared/http/server/http-app.ts';
import { serveStatus } from './routes/status.ts';
import { sleep } from '../../shared/async/sleep.ts';
import type { Logger } from '../../shared/logger.ts';
import { BacklogMonitor } from '../../shared/redis/log/backlog-monitor.ts';
import { ChangeFeed } from '../../shared/redis/changes/change-feed.ts';
import { Connections } from '../../shared/redis/connection/connections.ts';
import { GroupFollower } from '../../shared/redis/groups/group-follower.ts';
import { GroupStore, keepChangesMs } from '../../shared/redis/groups/group-store.ts';
import { chooseBarrier } from '../../shared/redis/connection/durability.ts';
import { EmbeddedRedis } from './embedded-redis.ts';
import { Keyspace } from '../../shared/redis/keys.ts';
import { claimLayout } from '../../shared/redis/layout.ts';
import { retrying } from '../../shared/redis/connection/error-classes.ts';
import { IngestService } from '../ingest/ingest.ts';
import { ReaderService } from '../reader/reader.ts';
import { WorkerService } from '../worker/worker.ts';

const READY_CHECK_INTERVAL_MS = 20;

type State = 'created' | 'listening' | 'running' | 'draining' | 'stopped';

export class Gateway {
  readonly #config: Config;
  readonly #logger: Logger;
  readonly #abort = new AbortController();
  readonly #embedded: EmbeddedRedis | undefined;
  readonly #connections: Connections;
  readonly #keyspace: Keyspace;
  readonly #feed: ChangeFeed;
  readonly #backlog: BacklogMonitor;
  readonly #ingest: IngestService | undefined;
  readonly #worker: WorkerService | undefined;
  readonly #reader: ReaderService | undefined;
  readonly #app: FastifyInstance;
  #started: Promise<void> | undefined;
  #destroyed: Promise<void> | undefined;
  #state: State = 'created';

  /** `onQuit` is called when a client requests termination (`/-/quit`). */
  constructor(config: Config, logger: Logger, onQuit: () => void) {
    this.#config = config;
    this.#logger = logger;
    const registry = new Registry();
    collectDefaultMetrics({ register: registry });
    // Gauges with names of counters, which promtool rejects. The gauges by type have the same values.
    for (const name of ['handles', 'requests', 'resources']) registry.removeSingleMetric(`nodejs_active_${name}_total`);
    if (config.redis.embedded) this.#embedded = new EmbeddedRedis(config.dataDir, logger);
    const endpoints = this.#embedded && [this.#embedded.endpoint];
    const connections = (this.#connections = new Connections(config.redis, logger, endpoints));
    const keyspace = (this.#keyspace = new Keyspace(config.redis.prefix));
    const feed = (this.#feed = new ChangeFeed(connections, keyspace, logger));
    const onBroken = (group: string, err: Error): void =>
      logger.warn({ group, err }, 'group ignored: no gateway wrote it');
    const store = new GroupStore(keyspace, onBroken, keepChangesMs(config.push.timeoutMs));
    const follower = new GroupFollower(store, keyspace);
    feed.add(follower);
    const context = { config, connections, keyspace, feed, follower, store, registry, logger };
    const backlog = (this.#backlog = new BacklogMonitor(context));
    const { role } = config;
    // The feed calls the follower first, then ingest: a push that a client waited for is in the next scrape.
    if (role === 'all' || role === 'reader') this.#reader = new ReaderService(context);
    if (role === 'all' || role === 'ingest') this.#ingest = new IngestService({ ...context, backlog });
    if (role === 'all' || role === 'worker') this.#worker = new WorkerService(context);
    this.#app = createApp({ config, registry, logger, notReady: () => this.#notReady() });
    instrument(this.#app, registry);
    serveStatus(this.#app, config, new Date());
    serveLifecycle(this.#app, config, onQuit);
    serveProfiles(this.#app, config);
    this.#reader?.register(this.#app);
    this.#ingest?.register(this.#app);
  }

  get isStopping(): boolean {
    return this.#state === 'draining' || this.#state === 'stopped';
  }

  /** Resolves when all roles are ready. Rejects when the port is taken, or the state in Redis cannot be used. */
  async start(): Promise<void> {
    this.#started = this.#run();
    await this.#started;
  }

  /** Reports not ready at once; after `shutdown.delay`, finishes the requests accepted so far, and closes. */
  async destroy(): Promise<void> {
    this.#destroyed ??= this.#drain();
    await this.#destroyed;
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort;
    this.#state = 'listening';
    const url = await listen(this.#app, this.#config);
    await this.#embedded?.start();
    const topology = await this.#connections.detect(signal);
    const client = this.#connections.open('commands', 'layout');
    const { shards } = this.#config.redis;
    const shardCount = await retrying(() => claimLayout(client, this.#keyspace, shards, topology), signal);
    const barrier = this.#ingest && (await retrying(() => chooseBarrier(client, this.#config), signal));
    this.#connections.close(client);
    // When destroy() is called, either nothing has been started or everything has.
    signal.throwIfAborted();

    // Pushes that waited for the shards continue after this turn of the event loop, when the log has been started.
    this.#keyspace.fix(shardCount);
    this.#backlog.start();
    if (this.#reader !== undefined || this.#ingest !== undefined) this.#feed.start();
    await Promise.all([this.#ingest?.start(barrier), this.#worker?.start(), this.#reader?.start()]);
    if (this.#state === 'listening') this.#state = 'running';
    // The backlog has to be measured, and a reader has to load its snapshot.
    while (!signal.aborted && this.#notReady().length > 0) await sleep(READY_CHECK_INTERVAL_MS, signal);
    if (!signal.aborted) this.#announce(url, topology);
  }

  async #drain(): Promise<void> {
    const wasRunning = this.#state === 'running';
    this.#state = 'draining';
    this.#abort.abort();
    const { delayMs, graceMs } = this.#config.shutdown;
    if (wasRunning && delayMs > 0) await sleep(delayMs);
    // Pushes that wait for Redis or for workers get half of the time, closing down gets the rest.
    const stopWaiting = (): void => {
      void this.#ingest?.destroy();
      void this.#feed.destroy();
    };
    const patience = setTimeout(stopWaiting, wasRunning ? graceMs / 2 : 0);
    await this.#app.close();
    clearTimeout(patience);
    await this.#ingest?.destroy();
    await this.#worker?.destroy();
    await this.#reader?.destroy();
    // What start() was waiting for has ended with the services.
    await this.#started?.catch(() => undefined);
    await this.#feed.destroy();
    await this.#backlog.destroy();
    this.#connections.destroy();
    await this.#embedded?.stop();
    this.#state = 'stopped';
  }

  #notReady(): string[] {
    if (this.isStopping) return ['shutting down'];
    const roles = { ingest: this.#ingest, worker: this.#worker, reader: this.#reader };
    const missing = Object.entries(roles).flatMap(([name, role]) =>
      role === undefined || role.isReady ? [] : [`${name} is not ready`],
    );
    // A reader serves its snapshot without Redis.
    const needsRedis = missing.length > 0 || this.#ingest !== undefined || this.#worker !== undefined;
    const { isRedisUp } = this.#backlog;
    if (!needsRedis || isRedisUp === true) return missing;
    return [isRedisUp === undefined ? 'Redis has not answered yet' : 'Redis does not answer', ...missing];
  }

  #announce(url: string, topology: string): void {
    const { paths, role, redis, dataDir } = this.#config;
    const fields = {
      role,
      redis: redis.embedded ? `embedded in ${dataDir}` : topology,
      ...(this.#ingest && { push: `${url}${PUSH_PATH}/job/JOB`, ingest: `${url}${paths.ingest}` }),
      ...(this.#reader && { scrape: `${url}${paths.metrics}`, page: `${url}/` }),
      telemetry: `${url}${paths.telemetry}`,
    };
    this.#logger.info(fields, 'ready');
  }
}
