/** A connection to Redis, and waiting until it takes commands. */
import type { Cluster, Redis, RedisOptions } from 'ioredis';
import { sleep } from '../../async/sleep.ts';

export type RedisClient = Redis | Cluster;
/** With replies in the shapes of RESP2. */
export type ServerOptions = RedisOptions & { replyMapping: 'legacy' };

/** How long a blocking read blocks. Finite, so that a connection that died unnoticed is detected. */
export const BLOCK_MS = 1_000;
export const CONNECT_TIMEOUT_MS = 2_000;

/** Resolves when the connection can take commands, after `timeoutMs`, or when the signal is aborted. */
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
