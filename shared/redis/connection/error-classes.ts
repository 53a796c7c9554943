/**
 * What an error of Redis means: gone for a while (try again), full, or a fault of ours.
 */
import { backoff } from '../../async/backoff.ts';
import { sleep } from '../../async/sleep.ts';
import { asError, GatewayError } from '../../errors.ts';

export type RedisFault =
  /** The command was not carried out; try again later. */
  | 'refused'
  /** No reply came: it may have been carried out. */
  | 'unknown'
  /** `maxmemory` is reached. */
  | 'full'
  /** Anything else: trying again would not help. */
  | 'broken';

// READONLY: a demoted master; LOADING: starting up; MASTERDOWN, CLUSTERDOWN, TRYAGAIN, MOVED, ASK: a failover or a migration
// under way; NOREPLICAS: too few replicas (min-replicas-to-write); UNBLOCKED: demoted while blocked; BUSY: a script runs long.
// NOAUTH, WRONGPASS: the password is being changed.
const REFUSALS =
  /^(NOAUTH|WRONGPASS|READONLY|LOADING|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|MOVED|ASK|NOREPLICAS|UNBLOCKED|BUSY|MISCONF)\b/;

export function classify(thrown: unknown): RedisFault {
  const error = asError(thrown);
  if (error instanceof GatewayError) return 'broken';
  const { message, name } = error;
  if (name === 'ReplyError') {
    if (message.startsWith('OOM ')) return 'full';
    return REFUSALS.test(message) ? 'refused' : 'broken';
  }
  if (message.includes('enableOfflineQueue options is false') || message.includes('None of startup nodes'))
    return 'refused';
  if (message.startsWith('Too many Cluster redirections')) return 'refused';
  return 'unknown';
}

/** Retries while Redis is away; gives up after an attempt when `signal` is aborted or the fault is ours. For commands that do no harm twice. */
export async function retrying<T>(run: () => Promise<T>, signal: AbortSignal): Promise<T> {
  const pause = backoff({ minMs: 20, maxMs: 1_000 });
  for (;;) {
    try {
      return await run();
    } catch (thrown) {
      if (signal.aborted) throw thrown;
      if (asError(thrown).message.startsWith('NOPERM')) {
        throw new GatewayError('config_invalid', `Redis refuses this to our user: ${asError(thrown).message}`, {
          cause: thrown,
        });
      }
      if (classify(thrown) === 'broken') throw thrown;
      await sleep(pause.next(), signal);
    }
  }
}
