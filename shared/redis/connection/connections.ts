/**
 * Opens connections to Redis, on whichever topology it runs, and knows what the topology means for the rest:
 *
 *   single     one server
 *   sentinel   one master, found through the Sentinels
 *   cluster    shards spread over masters; only shards of one lane may share a pipeline or a blocking read
 *
 * Commands are never queued while Redis is away and never sent twice behind our back: a connection that breaks fails what
 * was under way, and whoever sent it decides (see retry.ts). Each connection reconnects by itself for as long as it is open.
 */
import { readFileSync } from 'node:fs';
import { Cluster, Redis, type ClusterOptions, type RedisOptions } from 'ioredis';
import type { Config, RedisEndpoint } from '../../config/config.ts';
import type { Logger } from '../../logger.ts';
import { backoff } from '../../async/backoff.ts';
import { sleep } from '../../async/sleep.ts';
import { asError, GatewayError } from '../../errors.ts';
import { isConnectedTo, MasterWatch, type MasterAddress } from './sentinel-watch.ts';
import { explain, isAllowed, isClusterNode, misconfigured, whyNobodyAnswers } from './connection-errors.ts';

export type RedisClient = Redis | Cluster;
export type Topology = 'single' | 'sentinel' | 'cluster';

/**
 * commands    fails at once when Redis is away
 * blocking    as commands, and its socket may stay silent for as long as a blocking read lasts
 * subscriber  queues while Redis is away; who subscribes does so again whenever it is ready
 * jobs        as BullMQ wants it: queues while Redis is away, without end, and sends again what had no reply
 */
export type Purpose = 'commands' | 'blocking' | 'subscriber' | 'jobs';

/** How long a blocking read blocks. Finite, so that a connection that died unnoticed is found. */
export const BLOCK_MS = 1_000;
const RECONNECT_MAX_MS = 1_000;
/** How often a server that reads its file is asked whether it has finished. */
const LOADING_RETRY_MS = 250;
/** How often a Cluster is asked who owns what, besides whenever it says that we are wrong. */
const SLOTS_REFRESH_MS = 2_000;
/** A Redis that still does not answer, for the same reason, is mentioned again. */
const REMIND_MS = 60_000;
/** How long a connection that we close waits for the other side to close it too. */
const DISCONNECT_TIMEOUT_MS = 200;
export const CONNECT_TIMEOUT_MS = 2_000;
/** A socket with a command under way that stays silent for longer is given up, unless `redis.timeout` says otherwise. */
const SILENCE_MS = 5_000;

type RedisConfig = Config['redis'];
type ServerOptions = RedisOptions & { replyMapping: 'legacy' };

export class Connections {
  readonly #config: RedisConfig;
  readonly #logger: Logger;
  readonly #endpoints: readonly RedisEndpoint[];
  readonly #open = new Set<RedisClient>();
  readonly #tls: RedisOptions['tls'];
  #topology: Topology | undefined;
  #mayInfo = false;
  readonly #slotsTimer: NodeJS.Timeout;
  #masterWatch: MasterWatch | undefined;

  /** `endpoints` overrides the configured ones; the embedded server's socket comes this way. */
  constructor(config: RedisConfig, logger: Logger, endpoints: readonly RedisEndpoint[] = config.endpoints) {
    this.#config = config;
    this.#logger = logger;
    this.#endpoints = endpoints;
    this.#tls = config.tls.enabled ? tlsOptions(config.tls) : undefined;
    if (config.tls.enabled && config.tls.skipVerify) {
      logger.warn('the certificate of Redis is not verified (redis.tls-skip-verify): anyone on the way can pose as it');
    }
    if (config.mode !== 'auto') this.#topology = config.mode;
    this.#slotsTimer = setInterval(() => this.#refreshSlots(), SLOTS_REFRESH_MS).unref();
  }

  /**
   * Waits until Redis answers, however long that takes, and settles what kind of Redis it is. Throws `config_invalid` when it
   * is not what was configured, which waiting would not change.
   */
  async detect(signal: AbortSignal): Promise<Topology> {
    const client = this.open('commands', 'detect');
    // Says more than that the command could not be sent.
    let cause: Error | undefined;
    for (const event of ['error', 'sentinelError']) client.on(event, (error: Error) => (cause = error));
    const pause = backoff({ minMs: 100, maxMs: 2_000 });
    let said = { reason: '', atMs: -Infinity };
    try {
      for (;;) {
        try {
          await ready(client, CONNECT_TIMEOUT_MS, signal);
          this.#topology = await this.#askTopology(client);
          if (this.#topology === 'sentinel') this.#masterWatch ??= this.#watchMaster();
          return this.#topology;
        } catch (thrown) {
          signal.throwIfAborted();
          const error =
            (await this.#diagnose()) ?? misconfigured(thrown) ?? misconfigured(cause) ?? cause ?? asError(thrown);
          if (error instanceof GatewayError) throw error;
          const waitMs = pause.next();
          const reason = explain(error);
          // A line for each reason, not for each try.
          if (reason !== said.reason || performance.now() - said.atMs > REMIND_MS) {
            said = { reason, atMs: performance.now() };
            this.#logger.warn({ reason }, 'Redis does not answer; trying again until it does');
          }
          cause = undefined;
          await sleep(waitMs, signal);
        }
      }
    } finally {
      this.close(client);
    }
  }

  async #askTopology(client: RedisClient): Promise<Topology> {
    const { mode, db } = this.#config;
    await client.ping();
    this.#mayInfo = await isAllowed(client instanceof Cluster ? client.nodes('master')[0]?.info() : client.info());
    if (!this.#mayInfo) {
      this.#logger.warn('the Redis user may not INFO: it is not seen how full Redis is (--push.max-memory-percent)');
    }
    if (client instanceof Cluster || mode === 'sentinel') return mode === 'sentinel' ? mode : 'cluster';
    if (await isClusterNode(client)) {
      if (db !== 0) {
        const why = 'Redis is a Cluster, which has no other than 0';
        throw new GatewayError('config_invalid', `cannot use --redis.db ${db}: ${why}`);
      }
      if (mode === 'auto') return 'cluster';
      this.#logger.warn(
        'Redis is a node of a Cluster, but --redis.mode is single: keys of other nodes are out of reach',
      );
    }
    // ioredis goes on in database 0 where it cannot have another.
    if (db !== 0) await client.select(db);
    return 'single';
  }

  /** Why none of the Sentinels or seeds lets us in: of those, ioredis keeps to itself what is wrong. Undefined if one does. */
  async #diagnose(): Promise<Error | undefined> {
    const { mode, sentinelUsername, sentinelPassword } = this.#config;
    if (mode !== 'sentinel' && mode !== 'cluster') return undefined;
    const options = this.#options('commands', 'detect');
    if (mode === 'sentinel') Object.assign(options, { username: sentinelUsername, password: sentinelPassword, db: 0 });
    return await whyNobodyAnswers(this.#endpoints, options);
  }

  /** Whether our user may ask a server about itself. */
  get mayInfo(): boolean {
    return this.#mayInfo;
  }

  get topology(): Topology {
    if (this.#topology === undefined) throw new GatewayError('redis_unavailable', 'Redis has not answered yet');
    return this.#topology;
  }

  /** Shards that may share a pipeline or a blocking read. */
  lanes(shardCount: number): readonly (readonly number[])[] {
    const all = Array.from({ length: shardCount }, (_, shard) => shard);
    return this.topology === 'cluster' ? all.map((shard) => [shard]) : [all];
  }

  open(purpose: Purpose, name: string): RedisClient {
    const options = this.#options(purpose, name);
    const client = this.#topology === 'cluster' ? this.#openCluster(options) : this.#openServer(options);
    // Without a listener ioredis prints; what fails is reported by whoever sent a command.
    client.on('error', (error: Error) => this.#logger.debug({ err: error, connection: name }, 'Redis connection'));
    this.#adopt(client);
    return client;
  }

  /** On one master of a Cluster, if it is given: keyspace notifications never leave the node on which they arise. */
  openSubscriber(master?: Redis): Redis {
    if (master === undefined) return this.open('subscriber', 'notifications') as Redis;
    const subscriber = master.duplicate({ ...this.#options('subscriber', 'notifications'), lazyConnect: false });
    subscriber.on('error', (error: Error) => this.#logger.debug({ err: error }, 'Redis subscriber'));
    this.#adopt(subscriber);
    return subscriber;
  }

  close(client: RedisClient): void {
    this.#open.delete(client);
    client.disconnect();
  }

  destroy(): void {
    clearInterval(this.#slotsTimer);
    this.#masterWatch?.destroy();
    for (const client of this.#open) client.disconnect();
    this.#open.clear();
  }

  /**
   * ioredis only forgets a connection that is waiting to reconnect: whoever waits for its end, or for a command in its queue,
   * would wait for ever. Connecting makes it fail them. BullMQ, which disconnects and duplicates clients by itself, does wait.
   */
  #adopt(client: RedisClient): void {
    this.#open.add(client);
    const disconnect = client.disconnect.bind(client);
    client.disconnect = (reconnect = false) => {
      if (client.status === 'end') return;
      const isWaiting = client.status === 'reconnecting' && !reconnect;
      if (isWaiting && client instanceof Redis) client.connect().catch(() => undefined);
      disconnect(reconnect);
      // A Cluster that is told to disconnect ends only when its connecting fails.
      if (isWaiting && client instanceof Cluster)
        client.connect().then(
          () => disconnect(),
          () => undefined,
        );
    };
    const duplicate = client.duplicate.bind(client) as (...args: unknown[]) => RedisClient;
    client.duplicate = ((...args: unknown[]) => {
      const copy = duplicate(...args);
      this.#adopt(copy);
      return copy;
    }) as typeof client.duplicate;
  }

  #refreshSlots(): void {
    for (const client of this.#open) {
      if (client instanceof Cluster && client.status === 'ready') client.refreshSlotsCache();
    }
  }

  #options(purpose: Purpose, name: string): ServerOptions {
    const config = this.#config;
    const silenceMs = config.timeoutMs || SILENCE_MS;
    const options: ServerOptions = {
      // RESP3 would change nothing for us but the shape of replies.
      protocol: 2,
      replyMapping: 'legacy',
      db: config.db,
      connectionName: `pushgateway-${name}`,
      connectTimeout: CONNECT_TIMEOUT_MS,
      keepAlive: 10_000,
      disconnectTimeout: DISCONNECT_TIMEOUT_MS,
      noDelay: true,
      // Without INFO it could only complain. Then a server that is loading says so to each command.
      enableReadyCheck: this.#mayInfo,
      maxLoadingRetryTime: LOADING_RETRY_MS,
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      // ioredis does not look at what becomes of it: a connection that breaks meanwhile would end the process.
      autoResubscribe: false,
      maxRetriesPerRequest: 0,
      retryStrategy: (times) => Math.min(50 * 2 ** Math.min(times, 6), RECONNECT_MAX_MS) * (0.75 + Math.random() / 2),
      // A master that was demoted keeps its connections: leave it for the new one.
      reconnectOnError: (error) => error.message.startsWith('READONLY'),
    };
    if (config.username !== '') options.username = config.username;
    if (config.password !== '') options.password = config.password;
    if (this.#tls !== undefined) options.tls = this.#tls;
    switch (purpose) {
      case 'commands':
        options.socketTimeout = silenceMs;
        break;
      case 'blocking':
        options.socketTimeout = BLOCK_MS + silenceMs;
        break;
      case 'subscriber':
        options.enableOfflineQueue = true;
        break;
      case 'jobs':
        options.enableOfflineQueue = true;
        options.maxRetriesPerRequest = null;
        // Without a limit of retries, ioredis would never settle what was under way when the connection broke.
        options.autoResendUnfulfilledCommands = true;
        break;
      default:
        purpose satisfies never;
    }
    return options;
  }

  #openServer(options: ServerOptions): Redis {
    if (this.#config.mode === 'sentinel') {
      const sentinel: ServerOptions = {
        ...options,
        sentinels: this.#tcpEndpoints(),
        // One that hangs must not be waited for: there are others.
        sentinelCommandTimeout: CONNECT_TIMEOUT_MS,
        name: this.#config.masterName,
        sentinelRetryStrategy: (times) => Math.min(times * 100, RECONNECT_MAX_MS),
      };
      if (this.#config.sentinelUsername !== '') sentinel.sentinelUsername = this.#config.sentinelUsername;
      if (this.#config.sentinelPassword !== '') sentinel.sentinelPassword = this.#config.sentinelPassword;
      if (this.#tls !== undefined) {
        sentinel.enableTLSForSentinelMode = true;
        sentinel.sentinelTLS = this.#tls;
      }
      return new Redis(sentinel);
    }
    const at = this.#endpoints[0];
    if (at === undefined) throw new GatewayError('config_invalid', 'no Redis endpoint is configured');
    return new Redis({ ...options, ...(at.kind === 'unix' ? { path: at.path } : { host: at.host, port: at.port }) });
  }

  #tcpEndpoints(): MasterAddress[] {
    return this.#endpoints.flatMap((at) => (at.kind === 'tcp' ? [{ host: at.host, port: at.port }] : []));
  }

  #watchMaster(): MasterWatch {
    const { sentinelUsername, sentinelPassword, masterName } = this.#config;
    const { username: _username, password: _password, ...plain } = this.#options('commands', 'sentinel');
    const options: ServerOptions = { ...plain, db: 0, enableReadyCheck: false };
    if (sentinelUsername !== '') options.username = sentinelUsername;
    if (sentinelPassword !== '') options.password = sentinelPassword;
    const onMaster = (master: MasterAddress): void => {
      for (const client of this.#open) {
        if (!(client instanceof Redis) || client.status !== 'ready' || isConnectedTo(client.stream, master)) continue;
        this.#logger.info({ master: `${master.host}:${master.port}` }, 'leaving a master that was replaced');
        client.disconnect(true);
      }
    };
    return new MasterWatch({ sentinels: this.#tcpEndpoints(), masterName, options, onMaster });
  }

  #openCluster(options: ServerOptions): Cluster {
    const { retryStrategy: _retryStrategy, enableOfflineQueue = true, ...redisOptions } = options;
    const clusterOptions: ClusterOptions & { redisOptions: typeof redisOptions } = {
      redisOptions,
      enableOfflineQueue,
      // We retry, so that a push knows that it may have been appended already.
      retryDelayOnFailover: 0,
      // Its own timer outlives a disconnect that comes while it asks; ours does not (#refreshSlots).
      slotsRefreshInterval: 0,
      clusterRetryStrategy: (times) => Math.min(times * 100, RECONNECT_MAX_MS),
    };
    return new Cluster(this.#tcpEndpoints(), clusterOptions);
  }
}

/** Resolves when the connection can take commands, when `timeoutMs` have passed, or when the signal is aborted. */
export async function ready(client: RedisClient, timeoutMs: number, signal: AbortSignal): Promise<void> {
  if (client.status === 'ready') return;
  const done = new AbortController();
  const onReady = (): void => done.abort();
  client.once('ready', onReady);
  try {
    await sleep(timeoutMs, AbortSignal.any([signal, done.signal]));
  } finally {
    client.removeListener('ready', onReady);
  }
}

function tlsOptions(tls: RedisConfig['tls']): NonNullable<RedisOptions['tls']> {
  const options: NonNullable<RedisOptions['tls']> = { rejectUnauthorized: !tls.skipVerify };
  if (tls.caFile !== '') options.ca = readFileSync(tls.caFile);
  if (tls.certFile !== '') options.cert = readFileSync(tls.certFile);
  if (tls.keyFile !== '') options.key = readFileSync(tls.keyFile);
  return options;
}
