/**
 * Wires the roles of one process:
 *
 *     created ──start()──▶ listening (not ready: Redis may be away) ──▶ ready ──destroy()──▶ draining ──▶ stopped
 *
 * The port opens before Redis answers: probes and telemetry tell what is missing, pushes wait (bounded), and a reader that
 * has nothing yet says so.
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
import { settleBarrier } from '../../shared/redis/connection/durability.ts';
import { EmbeddedServer } from './embedded-redis.ts';
import { Keyspace } from '../../shared/redis/keys.ts';
import { claimLayout } from '../../shared/redis/layout.ts';
import { retrying } from '../../shared/redis/connection/error-classes.ts';
import { IngestService } from '../ingest/ingest.ts';
import { ReaderService } from '../reader/reader.ts';
import { WorkerService } from '../worker/worker.ts';

const READY_CHECK_MS = 20;

export class Gateway {
  readonly #config: Config;
  readonly #logger: Logger;
  readonly #abort = new AbortController();
  readonly #embedded: EmbeddedServer | undefined;
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
  #running = false;

  /** `onQuit` is called when a client asks for the end (`/-/quit`). */
  constructor(config: Config, logger: Logger, onQuit: () => void) {
    this.#config = config;
    this.#logger = logger;
    const registry = new Registry();
    collectDefaultMetrics({ register: registry });
    // Gauges that are named like counters, which promtool refuses; the same by type remain.
    for (const name of ['handles', 'requests', 'resources']) registry.removeSingleMetric(`nodejs_active_${name}_total`);
    if (config.redis.embedded) this.#embedded = new EmbeddedServer(config.dataDir, logger);
    const endpoints = this.#embedded && [{ kind: 'unix' as const, path: this.#embedded.socketPath }];
    this.#connections = new Connections(config.redis, logger, endpoints);
    const keyspace = new Keyspace(config.redis.prefix);
    this.#keyspace = keyspace;
    this.#feed = new ChangeFeed(this.#connections, keyspace, logger);
    const onBroken = (group: string, err: Error): void => logger.warn({ group, err }, 'no gateway wrote this group');
    const store = new GroupStore(keyspace, onBroken, keepChangesMs(config.push.timeoutMs));
    const follower = new GroupFollower(store, keyspace);
    this.#feed.add(follower);
    const context = {
      config,
      connections: this.#connections,
      keyspace,
      feed: this.#feed,
      follower,
      store,
      registry,
      logger,
    };
    const backlog = new BacklogMonitor(context);
    this.#backlog = backlog;

    const { role } = config;
    // The feed tells the follower first, then ingest: a push that was waited for is in the next scrape.
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
    return this.#abort.signal.aborted;
  }

  /** Resolves when all roles run. Rejects when the port cannot be had or the state in Redis is not ours to use. */
  async start(): Promise<void> {
    this.#started = this.#run();
    await this.#started;
  }

  /** Is not ready from now on; after `shutdown.delay`, stops accepting, finishes what was accepted, closes. */
  async destroy(): Promise<void> {
    this.#destroyed ??= this.#drain();
    await this.#destroyed;
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort;
    const url = await listen(this.#app, this.#config);
    await this.#embedded?.start();
    const topology = await this.#connections.detect(signal);
    const client = this.#connections.open('commands', 'layout');
    const { shards } = this.#config.redis;
    this.#keyspace.fix(await retrying(() => claimLayout(client, this.#keyspace, shards, topology), signal));
    const barrier = this.#ingest && (await retrying(() => settleBarrier(client, this.#config), signal));
    this.#connections.close(client);
    // Either nothing was started when destroy() was called, or everything was.
    signal.throwIfAborted();

    this.#backlog.start();
    if (this.#reader !== undefined || this.#ingest !== undefined) this.#feed.start();
    await Promise.all([this.#ingest?.start(barrier), this.#worker?.start(), this.#reader?.start()]);
    this.#running = true;
    // The first look at the log, and what a reader has to load.
    while (!signal.aborted && this.#notReady().length > 0) await sleep(READY_CHECK_MS, signal);
    if (!signal.aborted) this.#announce(url, topology);
  }

  async #drain(): Promise<void> {
    this.#abort.abort();
    const { delayMs } = this.#config.shutdown;
    if (this.#running && delayMs > 0) await sleep(delayMs);
    // Pushes that wait for a Redis that is away, or for workers, get half of the time there is, the rest is for our own end.
    const patienceMs = this.#running ? this.#config.shutdown.graceMs / 2 : 0;
    const patience = setTimeout(() => this.#stopWaiting(), patienceMs);
    await this.#app.close();
    clearTimeout(patience);
    await this.#ingest?.destroy();
    await this.#worker?.destroy();
    await this.#reader?.destroy();
    // What it was still waiting for has ended with the services.
    await this.#started?.catch(() => undefined);
    await this.#feed.destroy();
    await this.#backlog.destroy();
    this.#connections.destroy();
    await this.#embedded?.stop();
  }

  /** Answers the requests under way that wait for something. */
  #stopWaiting(): void {
    void this.#ingest?.destroy();
    void this.#feed.destroy();
  }

  #notReady(): string[] {
    if (this.isStopping) return ['shutting down'];
    const roles = { ingest: this.#ingest, worker: this.#worker, reader: this.#reader };
    const missing = Object.entries(roles).flatMap(([name, role]) =>
      role === undefined || role.isReady ? [] : [`${name} is not ready`],
    );
    // A reader goes on without it, from its snapshot.
    const needsRedis = missing.length > 0 || this.#ingest !== undefined || this.#worker !== undefined;
    const { isRedisUp } = this.#backlog;
    if (!needsRedis || isRedisUp === true) return missing;
    return [isRedisUp === undefined ? 'Redis has not answered yet' : 'Redis does not answer', ...missing];
  }

  #announce(url: string, topology: string): void {
    const { paths, role, redis } = this.#config;
    const fields: Record<string, string> = {
      role,
      redis: redis.embedded ? `embedded in ${this.#config.dataDir}` : topology,
    };
    if (this.#ingest !== undefined)
      Object.assign(fields, { push: `${url}${PUSH_PATH}/job/JOB`, ingest: `${url}${paths.ingest}` });
    if (this.#reader !== undefined) Object.assign(fields, { scrape: `${url}${paths.metrics}`, page: `${url}/` });
    this.#logger.info({ ...fields, telemetry: `${url}${paths.telemetry}` }, 'ready');
  }
}
