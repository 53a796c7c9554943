/** The options of a connection: what its purpose allows, timeouts, TLS, and what Sentinel and Cluster need beside. */
import { readFileSync } from 'node:fs';
import type { ClusterOptions, RedisOptions } from 'ioredis';
import type { Config } from '../../config/config.ts';
import { BLOCK_MS, CONNECT_TIMEOUT_MS, type ServerOptions } from './client.ts';
import {
  CLUSTER_WORKAROUNDS,
  JOBS_WORKAROUNDS,
  SENTINEL_WORKAROUNDS,
  SERVER_WORKAROUNDS,
} from './ioredis-workarounds.ts';

/**
 * commands    fails at once while Redis is away
 * blocking    as commands; its socket may also stay silent for as long as a blocking read lasts
 * subscriber  queues commands while Redis is away; its user subscribes again each time it is ready
 * jobs        what BullMQ needs: queues commands without limit while Redis is away, and resends those without a reply
 */
export type Purpose = 'commands' | 'blocking' | 'subscriber' | 'jobs';

export type RedisConfig = Config['redis'];

export interface HostAndPort {
  readonly host: string;
  readonly port: number;
}

const RECONNECT_MAX_MS = 1_000;
/** Interval at which a server that is loading its data is asked whether it has finished. */
const LOADING_RETRY_MS = 250;
/** How long a connection that we close waits for the other side to close it too. */
const DISCONNECT_TIMEOUT_MS = 200;
/** Silence after which a socket with a command in flight is closed, unless `redis.timeout` is set. */
const SILENCE_MS = 5_000;

/** `mayInfo`: our user may run INFO. */
export function serverOptions(
  config: RedisConfig,
  { purpose, name, tls, mayInfo }: { purpose: Purpose; name: string; tls: RedisOptions['tls']; mayInfo: boolean },
): ServerOptions {
  const options: ServerOptions = {
    // RESP3 would only change the shape of replies.
    protocol: 2,
    replyMapping: 'legacy',
    db: config.db,
    username: config.username,
    password: config.password,
    connectionName: `pushgateway-${name}`,
    connectTimeout: CONNECT_TIMEOUT_MS,
    keepAlive: 10_000,
    disconnectTimeout: DISCONNECT_TIMEOUT_MS,
    noDelay: true,
    // The check is an INFO. Without it, a server that is loading refuses each command with LOADING.
    enableReadyCheck: mayInfo,
    maxLoadingRetryTime: LOADING_RETRY_MS,
    enableOfflineQueue: purpose === 'subscriber' || purpose === 'jobs',
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    retryStrategy: (times) => Math.min(50 * 2 ** Math.min(times, 6), RECONNECT_MAX_MS) * (0.75 + Math.random() / 2),
    // A demoted master keeps its connections.
    reconnectOnError: (error) => error.message.startsWith('READONLY'),
    ...SERVER_WORKAROUNDS,
  };
  const silenceMs = config.timeoutMs || SILENCE_MS;
  if (purpose === 'commands') options.socketTimeout = silenceMs;
  if (purpose === 'blocking') options.socketTimeout = BLOCK_MS + silenceMs;
  if (purpose === 'jobs') Object.assign(options, { maxRetriesPerRequest: null, ...JOBS_WORKAROUNDS });
  if (tls !== undefined) options.tls = tls;
  return options;
}

/** For the master that the Sentinels name. */
export function masterOptions(config: RedisConfig, options: ServerOptions, sentinels: HostAndPort[]): ServerOptions {
  return {
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
  };
}

/** For a Sentinel itself: it has its own users and a single database. */
export function sentinelOptions(config: RedisConfig, options: ServerOptions): ServerOptions {
  const { sentinelUsername: username, sentinelPassword: password } = config;
  return { ...options, username, password, db: 0, enableReadyCheck: false };
}

export function clusterOptions(options: ServerOptions) {
  const { retryStrategy: _retryStrategy, enableOfflineQueue = true, ...redisOptions } = options;
  return {
    redisOptions,
    enableOfflineQueue,
    // The sender retries: a push has to know that it may have been appended already.
    retryDelayOnFailover: 0,
    clusterRetryStrategy: reconnectDelayMs,
    ...CLUSTER_WORKAROUNDS,
  } satisfies ClusterOptions;
}

export function readTls(tls: RedisConfig['tls']): RedisOptions['tls'] {
  if (!tls.enabled) return undefined;
  const options: NonNullable<RedisOptions['tls']> = { rejectUnauthorized: !tls.skipVerify };
  if (tls.caFile !== '') options.ca = readFileSync(tls.caFile);
  if (tls.certFile !== '') options.cert = readFileSync(tls.certFile);
  if (tls.keyFile !== '') options.key = readFileSync(tls.keyFile);
  return options;
}

function reconnectDelayMs(times: number): number {
  return Math.min(times * 100, RECONNECT_MAX_MS);
}
