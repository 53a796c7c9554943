import { setTimeout as sleep } from 'node:timers/promises';
import { pressureMs } from './process/machine-load.ts';

/** On a busy machine a deadline is extended by the time in which processes waited for a CPU, at most by this factor. */
const MAX_STRETCH = 10;

export interface EventuallyOptions {
  /** Default 5000. Extended on a busy machine. */
  timeoutMs?: number;
  /** Pause between two calls, ms; default 20. */
  intervalMs?: number;
  /** Names the condition in the error. */
  what?: string;
  /** Returns a reason if the condition can no longer become true; the wait then ends at once. */
  hopeless?: () => string | undefined;
}

/**
 * Calls `fn` until it neither throws nor returns false, and returns its result. When the time is up, throws an error
 * with the last failure as `cause`. A call that hangs is abandoned at the deadline.
 */
export async function eventually<T>(
  fn: () => T | Promise<T>,
  options: EventuallyOptions = {},
): Promise<Exclude<T, false>> {
  const { timeoutMs = 5_000, intervalMs = 20, what = 'condition', hopeless } = options;
  const [startedAt, pressureBefore] = [performance.now(), pressureMs()];
  const leftMs = (): number => {
    const elapsedMs = performance.now() - startedAt;
    if (elapsedMs < timeoutMs || elapsedMs > MAX_STRETCH * timeoutMs) return timeoutMs - elapsedMs;
    return timeoutMs - elapsedMs + pressureMs() - pressureBefore;
  };
  let failure: unknown = new Error('not tried');
  let tries = 0;
  while (tries === 0 || leftMs() > 0) {
    tries++;
    try {
      const result: T = await withDeadline(fn, Math.max(leftMs(), 1));
      if (isMet(result)) return result;
      failure = new Error('still false');
    } catch (error) {
      failure = error;
    }
    const reason = hopeless?.();
    if (reason !== undefined) throw new Error(`${what} not met: ${reason}`, { cause: failure });
    await sleep(Math.max(Math.min(intervalMs, leftMs()), 1));
  }
  const reason = failure instanceof Error ? failure.message : String(failure);
  throw new Error(
    `${what} not met within ${Math.round(performance.now() - startedAt)} ms (${tries} tries), last: ${reason}`,
    { cause: failure },
  );
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
