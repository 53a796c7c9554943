import { setTimeout as sleep } from 'node:timers/promises';

export interface EventuallyOptions {
  /** Default 5000. */
  timeoutMs?: number;
  /** Pause between two tries; default 20. */
  intervalMs?: number;
  /** Says in the error what was waited for. */
  what?: string;
  /** Gives up at once when it returns a reason: what is waited for can't come true any more. */
  hopeless?: () => string | undefined;
}

/**
 * Calls `fn` until it neither throws nor returns false, and returns what it returned. When the time is up, throws with
 * the last failure as `cause`. A call that hangs is given up at the deadline too.
 */
export async function eventually<T>(
  fn: () => T | Promise<T>,
  options: EventuallyOptions = {},
): Promise<Exclude<T, false>> {
  const { timeoutMs = 5_000, intervalMs = 20, what = 'condition', hopeless } = options;
  const deadline = performance.now() + timeoutMs;
  let failure: unknown = new Error('not tried');
  let tries = 0;
  while (tries === 0 || performance.now() < deadline) {
    tries++;
    try {
      const result: T = await withDeadline(fn, Math.max(deadline - performance.now(), 1));
      if (isMet(result)) return result;
      failure = new Error('still false');
    } catch (error) {
      failure = error;
    }
    const reason = hopeless?.();
    if (reason !== undefined) throw new Error(`${what} not met: ${reason}`, { cause: failure });
    await sleep(Math.min(intervalMs, Math.max(deadline - performance.now(), 0)));
  }
  const reason = failure instanceof Error ? failure.message : String(failure);
  throw new Error(`${what} not met within ${timeoutMs} ms (${tries} tries), last: ${reason}`, { cause: failure });
}

function isMet<T>(result: T): result is Exclude<T, false> {
  return result !== false;
}

async function withDeadline<T>(fn: () => T | Promise<T>, timeoutMs: number): Promise<T> {
  const timer = new AbortController();
  const expiry = sleep(timeoutMs, undefined, { signal: timer.signal }).then(
    () => {
      throw new Error('the call itself did not return in time');
    },
    () => new Promise<never>(() => {}),
  );
  try {
    return await Promise.race([fn(), expiry]);
  } finally {
    timer.abort();
  }
}
