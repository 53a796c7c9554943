/** The options of a connection to a server: what its purpose allows, timeouts, TLS. */
import { readFileSync } from 'node:fs';
import type { Config } from '../../config/config.ts';
import { BLOCK_MS, CONNECT_TIMEOUT_MS, type ServerOptions } from './client.ts';
import { JOBS_WORKAROUNDS, SERVER_WORKAROUNDS } from './ioredis-workarounds.ts';

/**
 * commands    fails at once while Redis is away
 * blocking    as commands; its socket may also stay silent for as long as a blocking read lasts
 * subscriber  queues commands while Redis is away; its user subscribes again each time it is ready
 * jobs        what BullMQ needs: queues commands without limit while Redis is away, and resends those without a reply
 */
export type Purpose = 'commands' | 'blocking' | 'subscriber' | 'jobs';
export type RedisConfig = Config['redis'];
export type Tls = NonNullable<ServerOptions['tls']>;

export const RECONNECT_MAX_MS = 1_000;
/** Interval at which a server that is loading its data is asked whether it has finished. */
const LOADING_RETRY_MS = 250;
/** How long a connection that we close waits for the other side to close it too. */
const DISCONNECT_TIMEOUT_MS = 200;
/** Silence after which a socket with a command in flight is closed, unless `redis.timeout` is set. */
const SILENCE_MS = 5_000;

/** `mayInfo`: our user may run INFO. */
export function serverOptions(
  config: RedisConfig,
  { purpose, name, tls, mayInfo }: { purpose: Purpose; name: string; tls: Tls | undefined; mayInfo: boolean },
): ServerOptions {
  const silenceMs = config.timeoutMs || SILENCE_MS;
  return {
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
    maxRetriesPerRequest: purpose === 'jobs' ? null : 0,
    retryStrategy: (times) => Math.min(50 * 2 ** Math.min(times, 6), RECONNECT_MAX_MS) * (0.75 + Math.random() / 2),
    // A demoted master keeps its connections.
    reconnectOnError: (error) => error.message.startsWith('READONLY'),
    ...SERVER_WORKAROUNDS,
    ...(purpose === 'commands' && { socketTimeout: silenceMs }),
    ...(purpose === 'blocking' && { socketTimeout: BLOCK_MS + silenceMs }),
    ...(purpose === 'jobs' && JOBS_WORKAROUNDS),
    ...(tls !== undefined && { tls }),
  };
}

export function readTls({ enabled, skipVerify, caFile, certFile, keyFile }: RedisConfig['tls']): Tls | undefined {
  if (!enabled) return undefined;
  return {
    rejectUnauthorized: !skipVerify,
    ...(caFile !== '' && { ca: readFileSync(caFile) }),
    ...(certFile !== '' && { cert: readFileSync(certFile) }),
    ...(keyFile !== '' && { key: readFileSync(keyFile) }),
  };
}
