import { setMaxListeners } from 'node:events';

/** Limit of setTimeout, which fires at once above it; a longer wait takes several timers. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/**
 * Resolves after `ms`, or as soon as the signal is aborted. It never rejects, so that a loop ends in one way only: by
 * checking the signal. Leaves neither timer nor listener behind.
 */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    arm(ms, signal, resolve);
  });
}

/** Calls `done` once, after `ms` or on abort, unless the returned function is called first. */
export function arm(ms: number, signal: AbortSignal | undefined, done: () => void): () => void {
  const deadline = performance.now() + ms;
  let timer: NodeJS.Timeout | undefined;
  const disarm = () => {
    clearTimeout(timer);
    signal?.removeEventListener('abort', finish);
  };
  const finish = () => {
    disarm();
    done();
  };
  const tick = () => {
    const left = deadline - performance.now();
    if (left > 0) timer = setTimeout(tick, Math.min(left, MAX_TIMEOUT_MS));
    else finish();
  };
  if (signal?.aborted) finish();
  else {
    // Every loop waits on the same signal; more than ten listeners are not a leak.
    if (signal !== undefined) setMaxListeners(0, signal);
    signal?.addEventListener('abort', finish);
    timer = setTimeout(tick, Math.min(ms, MAX_TIMEOUT_MS));
  }
  return disarm;
}
