/** Classes of Redis errors: whether a command was executed, and whether sending it again may help. */
import { backoff } from '../../async/backoff.ts';
import { sleep } from '../../async/sleep.ts';
import { asError, GatewayError } from '../../errors.ts';
import { isNotSent } from './ioredis-workarounds.ts';

type ErrorClass =
  /** The command was not executed; try again later. */
  | 'refused'
  /** No reply: the command may have been executed. */
  | 'unknown'
  /** `maxmemory` is reached. */
  | 'full'
  /** Anything else: trying again would not help. */
  | 'broken';

/** A command that was not sent. */
export class NotSentError extends Error {}

// READONLY: a demoted master; LOADING: starting up; MASTERDOWN, CLUSTERDOWN, TRYAGAIN, MOVED, ASK: a failover or a slot
// that moves; NOREPLICAS: too few replicas (min-replicas-to-write); UNBLOCKED: demoted while blocked; BUSY: a script
// runs long; NOAUTH, WRONGPASS: the password is being changed.
const REFUSALS =
  /^(NOAUTH|WRONGPASS|READONLY|LOADING|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|MOVED|ASK|NOREPLICAS|UNBLOCKED|BUSY|MISCONF)\b/;

export function classify(thrown: unknown): ErrorClass {
  const error = asError(thrown);
  if (error instanceof GatewayError) return 'broken';
  const { message, name } = error;
  if (name === 'ReplyError') {
    if (message.startsWith('OOM ')) return 'full';
    return REFUSALS.test(message) ? 'refused' : 'broken';
  }
  return error instanceof NotSentError || isNotSent(error) ? 'refused' : 'unknown';
}

/** Whether a script failed by itself: not because Redis is away or full, and not for a permission (ACL) it lacks. */
export function isScriptFailure(error: Error): boolean {
  const { message } = error;
  const isDenied = message.startsWith('NOPERM') || message.includes("can't run this command");
  return classify(error) === 'broken' && message.includes('@user_script') && !isDenied;
}

/**
 * Repeats a command while Redis is away. Throws when `signal` is aborted after an attempt, or when trying again would
 * not help. For commands that may be executed twice.
 */
export async function retrying<T>(run: () => Promise<T>, signal: AbortSignal): Promise<T> {
  const pause = backoff({ minMs: 20, maxMs: 1_000 });
  for (;;) {
    try {
      return await run();
    } catch (thrown) {
      if (signal.aborted) throw thrown;
      const { message } = asError(thrown);
      if (message.startsWith('NOPERM')) {
        throw new GatewayError('config_invalid', `Redis denies our user a command: ${message}`, { cause: thrown });
      }
      if (classify(thrown) === 'broken') throw thrown;
      await sleep(pause.next(), signal);
    }
  }
}
