/**
 * What we do only because ioredis does not behave as we need, with the upstream issue where there is one. Seen in
 * ioredis 6.0.0: when package.json names a version that fixes an issue, remove its workaround.
 *
 * One is elsewhere: cluster-routing.ts sends pipelines to the master of their shard, because ioredis follows
 * redirections for a pipeline as a whole. While a slot moves, it would also send reads of keys that have not moved to
 * the new master, where they do not exist. https://github.com/redis/ioredis/issues/2075
 */
import { Redis } from 'ioredis';
import { asError } from '../../errors.ts';
import type { RedisClient, ServerOptions } from './client.ts';

export const SERVER_WORKAROUNDS = {
  // A connection that breaks while ioredis subscribes again ends the process, because nothing handles the rejection.
  // notifications.ts subscribes again itself. https://github.com/redis/ioredis/pull/2187
  autoResubscribe: false,
} as const;

export const JOBS_WORKAROUNDS = {
  // With neither a limit of retries nor resending, a command in flight when the connection breaks stays pending.
  // https://github.com/redis/ioredis/issues/2193
  autoResendUnfulfilledCommands: true,
} as const;

export const SENTINEL_WORKAROUNDS = {
  // The detector leaves subscriptions behind (https://github.com/redis/ioredis/issues/1362), and ends a connection for
  // good that is asking a Sentinel when it fires (no upstream issue found). sentinel-watch.ts detects failovers.
  failoverDetector: false,
} as const;

export const CLUSTER_WORKAROUNDS = {
  // ioredis starts this timer even if disconnect() is called during the ready check, and then it outlives the
  // connection (no upstream issue found). Connections has a timer for all clients.
  slotsRefreshInterval: 0,
} as const;

/**
 * Makes disconnect() end a client that is waiting to reconnect. ioredis only stops waiting: commands in its queue stay
 * pending and no 'end' is emitted. BullMQ waits for both. https://github.com/redis/ioredis/pull/2169
 */
export function endOnDisconnect(client: RedisClient): void {
  const disconnect = client.disconnect.bind(client);
  client.disconnect = (reconnect = false) => {
    if (client.status === 'end') return;
    const isWaiting = client.status === 'reconnecting' && !reconnect;
    // The attempt to connect fails, and with it the commands in the queue.
    if (isWaiting && client instanceof Redis) client.connect().catch(() => undefined);
    disconnect(reconnect);
    if (!isWaiting || client instanceof Redis) return;
    // A Cluster ends when its attempt fails; if it succeeds, it is disconnected again. No upstream issue found.
    client.connect().then(
      () => disconnect(),
      () => undefined,
    );
  };
}

/**
 * Throws if the server does not have the database. In its handshake, ioredis only emits an error and goes on in
 * database 0, as https://github.com/redis/ioredis/pull/2187 describes.
 */
export async function checkDatabase(client: Redis, db: number): Promise<void> {
  if (db !== 0) await client.select(db);
}

/**
 * Why none of the servers accepts us; undefined as soon as one does. ioredis hides the reason behind "Connection is
 * closed" for Sentinels (https://github.com/redis/ioredis/issues/397) and "Failed to refresh slots cache" for nodes of
 * a Cluster (https://github.com/redis/ioredis/pull/1941).
 */
export async function whyNoneAccepts(servers: readonly ServerOptions[]): Promise<Error | undefined> {
  let reason: Error | undefined;
  for (const server of servers) {
    const probe = new Redis({ ...server, lazyConnect: true, enableReadyCheck: false, retryStrategy: null });
    let emitted: Error | undefined;
    probe.on('error', (error: Error) => (emitted = error));
    try {
      await probe.connect();
      await probe.ping();
      return undefined;
    } catch (thrown) {
      // The emitted error has the reason, the thrown one may only say that the connection is closed.
      reason = emitted ?? asError(thrown);
    } finally {
      probe.disconnect();
    }
  }
  return reason;
}

// ioredis has no error classes or codes, only texts: https://github.com/redis/ioredis/pull/1767
const NOT_SENT = /enableOfflineQueue options is false|None of startup nodes|^Too many Cluster redirections/;
const NAMES_OPTIONS = /maxRetriesPerRequest|enableOfflineQueue/;

/** Whether a command was not sent. */
export function isNotSent({ message }: Error): boolean {
  return NOT_SENT.test(message);
}

/** Whether the message recommends options of ioredis, which our users cannot set. The command had no reply. */
export function namesOptions({ message }: Error): boolean {
  return NAMES_OPTIONS.test(message);
}

/** The error of a node that ioredis has wrapped in one of the Cluster. */
export function nodeError(error: Error): Error {
  return 'lastNodeError' in error ? asError(error.lastNodeError) : error;
}
