/**
 * Opens connections to Redis, on whichever topology it runs, and closes them all in the end.
 *
 * Commands are not queued while Redis is away, and never resent behind the sender's back: a connection that breaks
 * fails the commands in flight, and the sender decides (error-classes.ts). Each connection reconnects by itself until
 * it is closed.
 */
import { Cluster, Redis } from 'ioredis';
import type { RedisEndpoint } from '../../config/config.ts';
import type { Logger } from '../../logger.ts';
import type { RedisClient, ServerOptions } from './client.ts';
import { readTls, serverOptions, type Purpose, type RedisConfig, type Tls } from './connection-options.ts';
import { detectTopology, type Detected, type Topology } from './detect-topology.ts';
import { endOnDisconnect } from './ioredis-workarounds.ts';
import { openClient, sentinelOptions, tcpEndpoints, type HostAndPort } from './open-client.ts';
import { isConnectedTo, SentinelWatch } from './sentinel-watch.ts';

/** Interval at which Cluster nodes are asked for their slots. A redirection also refreshes them. */
const SLOTS_REFRESH_INTERVAL_MS = 2_000;

export class Connections {
  readonly #config: RedisConfig;
  readonly #logger: Logger;
  readonly #endpoints: readonly RedisEndpoint[];
  readonly #open = new Set<RedisClient>();
  readonly #tls: Tls | undefined;
  #detected: Detected | undefined;
  readonly #slotsTimer: NodeJS.Timeout;
  #sentinelWatch: SentinelWatch | undefined;

  /** `endpoints` overrides those of the configuration: the socket of the embedded Redis. */
  constructor(config: RedisConfig, logger: Logger, endpoints: readonly RedisEndpoint[] = config.endpoints) {
    this.#config = config;
    this.#logger = logger;
    this.#endpoints = endpoints;
    this.#tls = readTls(config.tls);
    if (config.tls.enabled && config.tls.skipVerify)
      logger.warn('the certificate of Redis is not verified (redis.tls-skip-verify): anyone in between can pose as it');
    const refreshSlots = (): void => {
      for (const client of this.#open)
        if (client instanceof Cluster && client.status === 'ready') client.refreshSlotsCache();
    };
    this.#slotsTimer = setInterval(refreshSlots, SLOTS_REFRESH_INTERVAL_MS).unref();
  }

  /** Waits until Redis answers. Throws `config_invalid` when it is not what the configuration says. */
  async detect(signal: AbortSignal): Promise<Topology> {
    const client = this.open('commands', 'detect');
    try {
      const [config, endpoints, logger] = [this.#config, tcpEndpoints(this.#endpoints), this.#logger];
      const context = { config, endpoints, options: this.#options('commands', 'detect'), logger };
      this.#detected = await detectTopology(client, context, signal);
      if (this.#detected.topology === 'sentinel') this.#sentinelWatch ??= this.#watchSentinels();
      return this.#detected.topology;
    } finally {
      this.close(client);
    }
  }

  /** Whether our user may run INFO. False until Redis has answered. */
  get mayInfo(): boolean {
    return this.#detected?.mayInfo ?? false;
  }

  /** Sets of shards that are on one server: they may share a pipeline or a blocking read. Redis must have answered. */
  colocatedShards(shardCount: number): readonly (readonly number[])[] {
    const all = Array.from({ length: shardCount }, (_, shard) => shard);
    return this.#isCluster ? all.map((shard) => [shard]) : [all];
  }

  open(purpose: Purpose, name: string): RedisClient {
    const options = this.#options(purpose, name);
    return this.#adopt(name, openClient(this.#config, this.#endpoints, options, this.#isCluster));
  }

  /** On a Cluster it needs a master: keyspace notifications do not leave the node where they arise. */
  openSubscriber(master?: Redis): Redis {
    if (master === undefined) return this.open('subscriber', 'notifications') as Redis;
    const options = { ...this.#options('subscriber', 'notifications'), lazyConnect: false };
    return this.#adopt('notifications', master.duplicate(options));
  }

  close(client: RedisClient): void {
    this.#open.delete(client);
    client.disconnect();
  }

  destroy(): void {
    clearInterval(this.#slotsTimer);
    this.#sentinelWatch?.destroy();
    for (const client of this.#open) client.disconnect();
    this.#open.clear();
  }

  get #isCluster(): boolean {
    return (this.#detected?.topology ?? this.#config.mode) === 'cluster';
  }

  #adopt<T extends RedisClient>(name: string, client: T): T {
    // Without a listener ioredis prints errors. What fails is reported by the sender of the command.
    client.on('error', (error: Error) => this.#logger.debug({ err: error, connection: name }, 'Redis connection'));
    this.#open.add(client);
    endOnDisconnect(client);
    // BullMQ duplicates clients.
    const duplicate = client.duplicate.bind(client) as (...args: unknown[]) => RedisClient;
    client.duplicate = ((...args: unknown[]) => this.#adopt(name, duplicate(...args))) as typeof client.duplicate;
    return client;
  }

  #options(purpose: Purpose, name: string): ServerOptions {
    return serverOptions(this.#config, { purpose, name, tls: this.#tls, mayInfo: this.mayInfo });
  }

  #watchSentinels(): SentinelWatch {
    const onMaster = (master: HostAndPort): void => {
      for (const client of this.#open) {
        if (!(client instanceof Redis) || client.status !== 'ready' || isConnectedTo(client.stream, master)) continue;
        const fields = { master: `${master.host}:${master.port}` };
        this.#logger.info(fields, 'reconnecting: the Sentinels name another master');
        client.disconnect(true);
      }
    };
    const options = sentinelOptions(this.#config, this.#options('commands', 'sentinel'));
    return new SentinelWatch(tcpEndpoints(this.#endpoints), this.#config.masterName, options, onMaster);
  }
}
