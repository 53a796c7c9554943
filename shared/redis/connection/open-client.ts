/** Opens a client on each topology, with what Sentinel and Cluster need beside the options of a server. */
import { Cluster, Redis } from 'ioredis';
import type { RedisEndpoint, TcpAddress } from '../../config/config.ts';
import { GatewayError } from '../../errors.ts';
import { CONNECT_TIMEOUT_MS, type RedisClient, type ServerOptions } from './client.ts';
import { RECONNECT_MAX_MS, type RedisConfig } from './connection-options.ts';
import { CLUSTER_WORKAROUNDS, SENTINEL_WORKAROUNDS } from './ioredis-workarounds.ts';

export type HostAndPort = Pick<TcpAddress, 'host' | 'port'>;

export function openClient(
  config: RedisConfig,
  endpoints: readonly RedisEndpoint[],
  options: ServerOptions,
  isCluster: boolean,
): RedisClient {
  if (isCluster) return openCluster(tcpEndpoints(endpoints), options);
  if (config.mode === 'sentinel') return openMaster(config, tcpEndpoints(endpoints), options);
  const at = endpoints[0];
  if (at === undefined) throw new GatewayError('config_invalid', 'no Redis endpoint is configured');
  return new Redis({ ...options, ...(at.kind === 'unix' ? { path: at.path } : { host: at.host, port: at.port }) });
}

/** To the master that the Sentinels name. */
function openMaster(config: RedisConfig, sentinels: HostAndPort[], options: ServerOptions): Redis {
  return new Redis({
    ...options,
    ...SENTINEL_WORKAROUNDS,
    sentinels,
    name: config.masterName,
    sentinelUsername: config.sentinelUsername,
    sentinelPassword: config.sentinelPassword,
    // A Sentinel that hangs is skipped.
    sentinelCommandTimeout: CONNECT_TIMEOUT_MS,
    sentinelRetryStrategy: reconnectDelayMs,
    ...(options.tls !== undefined && { enableTLSForSentinelMode: true, sentinelTLS: options.tls }),
  });
}

function openCluster(nodes: HostAndPort[], options: ServerOptions): Cluster {
  const { retryStrategy: _retryStrategy, enableOfflineQueue = true, ...redisOptions } = options;
  return new Cluster(nodes, {
    redisOptions,
    enableOfflineQueue,
    // The sender retries: a push has to know that it may have been appended already.
    retryDelayOnFailover: 0,
    clusterRetryStrategy: reconnectDelayMs,
    ...CLUSTER_WORKAROUNDS,
  });
}

/** For a Sentinel itself: it has its own users and a single database. */
export function sentinelOptions(config: RedisConfig, options: ServerOptions): ServerOptions {
  const { sentinelUsername: username, sentinelPassword: password } = config;
  return { ...options, username, password, db: 0, enableReadyCheck: false };
}

export function tcpEndpoints(endpoints: readonly RedisEndpoint[]): HostAndPort[] {
  return endpoints.flatMap((at) => (at.kind === 'tcp' ? [{ host: at.host, port: at.port }] : []));
}

function reconnectDelayMs(times: number): number {
  return Math.min(times * 100, RECONNECT_MAX_MS);
}
