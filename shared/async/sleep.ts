import { setMaxListeners } from 'node:events';

/** setTimeout takes 32 bits and fires at once for more; longer waits are made of several. */
const maxTimeoutMs = 2 ** 31 - 1;

/**
 * Resolves after `ms`, or at once when the signal is (or becomes) aborted: it never rejects, so that a loop has one way to
 * end, its own look at the signal. Leaves neither timer nor listener behind.
 */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    arm(ms, signal, resolve);
  });
}

/** Calls `done` once, after `ms` or on abort, unless the returned function is called before. */
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
    if (left > 0) timer = setTimeout(tick, Math.min(left, maxTimeoutMs));
    else finish();
  };
  if (signal?.aborted) finish();
  else {
    // As many as there are loops wait for the same end; that is no leak.
    if (signal !== undefined) setMaxListeners(0, signal);
    signal?.addEventListener('abort', finish);
    timer = setTimeout(tick, Math.min(ms, maxTimeoutMs));
  }
  return disarm;
}
