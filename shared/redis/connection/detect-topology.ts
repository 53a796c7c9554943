/** Finds out what kind of Redis answers, and reports why none does. */
import { Cluster } from 'ioredis';
import type { Logger } from '../../logger.ts';
import { backoff } from '../../async/backoff.ts';
import { sleep } from '../../async/sleep.ts';
import { asError, GatewayError } from '../../errors.ts';
import { CONNECT_TIMEOUT_MS, ready, type RedisClient, type ServerOptions } from './client.ts';
import { explain, misconfiguration } from './connection-errors.ts';
import type { RedisConfig } from './connection-options.ts';
import { sentinelOptions, type HostAndPort } from './open-client.ts';
import { checkDatabase, whyNoneAccepts } from './ioredis-workarounds.ts';

/**
 * single     one server
 * sentinel   one master, named by the Sentinels
 * cluster    shards spread over masters
 */
export type Topology = 'single' | 'sentinel' | 'cluster';

export interface Detected {
  readonly topology: Topology;
  /** Our user may run INFO. */
  readonly mayInfo: boolean;
}

export interface DetectContext {
  readonly config: RedisConfig;
  readonly endpoints: readonly HostAndPort[];
  /** For a connection to one of the endpoints. */
  readonly options: ServerOptions;
  readonly logger: Logger;
}

/** Interval after which a Redis that still does not answer, for the same reason, is logged again. */
const REMIND_MS = 60_000;

/** Waits until Redis answers. Throws `config_invalid` when it is not what the configuration says. */
export async function detectTopology(
  client: RedisClient,
  context: DetectContext,
  signal: AbortSignal,
): Promise<Detected> {
  // The emitted error has the reason, the thrown one may only say that the command was not sent.
  let emitted: Error | undefined;
  for (const event of ['error', 'sentinelError']) client.on(event, (error: Error) => (emitted = error));
  const pause = backoff({ minMs: 100, maxMs: 2_000 });
  let logged = { reason: '', atMs: -Infinity };
  for (;;) {
    try {
      await ready(client, CONNECT_TIMEOUT_MS, signal);
      return await ask(client, context);
    } catch (thrown) {
      signal.throwIfAborted();
      const refusal = await diagnose(context);
      const error = refusal ?? misconfiguration(thrown) ?? misconfiguration(emitted) ?? emitted ?? asError(thrown);
      if (error instanceof GatewayError) throw error;
      const reason = explain(error);
      // A line for each reason, not for each attempt.
      if (reason !== logged.reason || performance.now() - logged.atMs > REMIND_MS) {
        logged = { reason, atMs: performance.now() };
        context.logger.warn({ reason }, 'Redis does not answer; trying again until it does');
      }
      emitted = undefined;
      await sleep(pause.next(), signal);
    }
  }
}

async function ask(client: RedisClient, { config: { mode, db }, logger }: DetectContext): Promise<Detected> {
  await client.ping();
  const mayInfo = await isAccepted(client instanceof Cluster ? client.nodes('master')[0]?.info() : client.info());
  if (!mayInfo) logger.warn('our Redis user may not INFO: --push.max-memory-percent has no effect');
  if (mode === 'sentinel') return { topology: 'sentinel', mayInfo };
  if (client instanceof Cluster) return { topology: 'cluster', mayInfo };
  if (await isAccepted(client.cluster('SLOTS'), 'cluster support disabled')) {
    if (db !== 0)
      throw new GatewayError('config_invalid', `cannot use --redis.db ${db}: a Redis Cluster has only database 0`);
    if (mode === 'auto') return { topology: 'cluster', mayInfo };
    logger.warn('Redis is a Cluster node, but --redis.mode is single: keys on other nodes cannot be reached');
  }
  await checkDatabase(client, db);
  return { topology: 'single', mayInfo };
}

async function diagnose({ config, endpoints, options }: DetectContext): Promise<Error | undefined> {
  if (config.mode !== 'sentinel' && config.mode !== 'cluster') return undefined;
  const perServer = config.mode === 'sentinel' ? sentinelOptions(config, options) : options;
  return await whyNoneAccepts(endpoints.map((endpoint) => ({ ...perServer, ...endpoint })));
}

/** Whether the server accepts the command: false for the error `refusal` and for missing permissions; rejects otherwise. */
async function isAccepted(command: Promise<unknown> | undefined, refusal = 'NOPERM'): Promise<boolean> {
  try {
    await command;
    return true;
  } catch (thrown) {
    const { message } = asError(thrown);
    if (message.startsWith('NOPERM') || message.includes(refusal)) return false;
    throw thrown;
  }
}
