/** Why Redis does not let us in, in words that help whoever has to mend it. */
import { Redis, type RedisOptions } from 'ioredis';
import type { RedisEndpoint } from '../../config/config.ts';
import { asError, GatewayError } from '../../errors.ts';

/** For a command that could not be sent, or had no reply, ioredis recommends options of its own, which are not for our users to change. */
const ADVICE = /maxRetriesPerRequest|enableOfflineQueue/;

/** An AggregateError (several addresses of one name were tried) has a code and no message. */
export function explain(error: Error): string {
  if (ADVICE.test(error.message)) return 'no connection to Redis';
  return error.message === '' && 'code' in error ? String(error.code) : error.message;
}

/** What only another configuration can mend, in words of the configuration. */
export function misconfigured(thrown: unknown): GatewayError | undefined {
  if (thrown === undefined || thrown instanceof GatewayError) return thrown;
  const error = asError(thrown);
  const { message } = 'lastNodeError' in error ? asError(error.lastNodeError) : error;
  if (message.includes('cluster support disabled')) {
    const why = 'it is no Cluster, which several endpoints or --redis.mode=cluster say it is';
    return new GatewayError('config_invalid', `cannot use this Redis: ${why}`, { cause: error });
  }
  if (message.includes('DB index is out of range')) {
    return new GatewayError('config_invalid', 'cannot use --redis.db: this Redis has fewer databases', {
      cause: error,
    });
  }
  return undefined;
}

/** False when it is refused to our user. Rejects with any other error. */
export async function isAllowed(command: Promise<unknown> | undefined): Promise<boolean> {
  try {
    await command;
    return true;
  } catch (thrown) {
    if (!asError(thrown).message.startsWith('NOPERM')) throw thrown;
    return false;
  }
}

/** False also when this is not to be known, as for a user who may not ask. */
export async function isClusterNode(server: Redis): Promise<boolean> {
  try {
    return await isAllowed(server.cluster('SLOTS'));
  } catch (thrown) {
    if (!asError(thrown).message.includes('cluster support disabled')) throw thrown;
    return false;
  }
}

/** Asks each endpoint directly. Undefined as soon as one answers. */
export async function whyNobodyAnswers(
  endpoints: readonly RedisEndpoint[],
  options: RedisOptions & { replyMapping: 'legacy' },
): Promise<Error | undefined> {
  let reason: Error | undefined;
  for (const at of endpoints) {
    if (at.kind !== 'tcp') continue;
    const probe = new Redis({
      ...options,
      host: at.host,
      port: at.port,
      lazyConnect: true,
      enableReadyCheck: false,
      retryStrategy: null,
    });
    // Says more than that the command could not be sent.
    let said: Error | undefined;
    probe.on('error', (error: Error) => (said = error));
    try {
      await probe.connect();
      await probe.ping();
      return undefined;
    } catch (thrown) {
      reason = said ?? asError(thrown);
    } finally {
      probe.disconnect();
    }
  }
  return reason;
}
