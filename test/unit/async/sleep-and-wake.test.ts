import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { backoff } from '../../../shared/async/backoff.ts';
import { sleep } from '../../../shared/async/sleep.ts';
import { Wake } from '../../../shared/async/wake.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

const listeners = (signal: AbortSignal) => getEventListeners(signal, 'abort').length;

/** The state of a promise so far. */
function watch<T>(promise: Promise<T>) {
  const seen: { settled?: T | 'aborted' } = {};
  void promise.then(
    (value) => (seen.settled = value),
    () => (seen.settled = 'aborted'),
  );
  return seen;
}

describe('sleep', () => {
  test('resolves after the time and leaves no listener', async () => {
    const { signal } = new AbortController();
    const seen = watch(sleep(100, signal).then(() => 'done'));
    await vi.advanceTimersByTimeAsync(99);
    expect(seen).toEqual({});
    expect(listeners(signal)).toBe(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(seen).toEqual({ settled: 'done' });
    expect(listeners(signal)).toBe(0);
  });

  test('ends at once when aborted, and leaves no listener', async () => {
    const abort = new AbortController();
    const sleeping = sleep(1e6, abort.signal);
    abort.abort(new Error('stop'));
    await sleeping;
    expect(listeners(abort.signal)).toBe(0);
    await sleep(1e6, abort.signal);
    expect(listeners(abort.signal)).toBe(0);
  });

  test('can be longer than setTimeout allows', async () => {
    const days = 86_400_000;
    const seen = watch(sleep(60 * days).then(() => 'done'));
    await vi.advanceTimersByTimeAsync(59 * days);
    expect(seen).toEqual({});
    await vi.advanceTimersByTimeAsync(days);
    expect(seen).toEqual({ settled: 'done' });
  });
});

describe('backoff', () => {
  test('doubles up to the limit, and starts over after a reset', () => {
    const pause = backoff({ minMs: 10, maxMs: 70 }, () => 1);
    expect([1, 2, 3, 4, 5].map(() => pause.next())).toEqual([10, 20, 40, 70, 70]);
    pause.reset();
    expect(pause.next()).toBe(10);
  });

  test.each([0, 0.5, 0.999])('stays within the limits with jitter %d', (random) => {
    const pause = backoff({ minMs: 10, maxMs: 1_000 }, () => random);
    const waits = Array.from({ length: 2_000 }, () => pause.next());
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(10);
    expect(Math.max(...waits)).toBeLessThanOrEqual(1_000);
    expect(waits.at(-1)).toBe(500 + random * 500);
  });
});

describe('Wake', () => {
  test('runs out of time', async () => {
    const seen = watch(new Wake().wait(50));
    await vi.advanceTimersByTimeAsync(49);
    expect(seen).toEqual({});
    await vi.advanceTimersByTimeAsync(1);
    expect(seen).toEqual({ settled: false });
  });

  test('ends all waits at once', async () => {
    const wake = new Wake();
    const { signal } = new AbortController();
    const waits = Promise.all([wake.wait(1e6, signal), wake.wait(1e6)]);
    wake.wake();
    expect(await waits).toEqual([true, true]);
    expect(listeners(signal)).toBe(0);
    const next = watch(wake.wait(10));
    await vi.advanceTimersByTimeAsync(10);
    expect(next).toEqual({ settled: false });
  });

  test('remembers one wake-up if there was no wait', async () => {
    const wake = new Wake();
    wake.wake();
    wake.wake();
    expect(await wake.wait(1e6)).toBe(true);
    const second = watch(wake.wait(10));
    await vi.advanceTimersByTimeAsync(10);
    expect(second).toEqual({ settled: false });
  });

  test('loses no wake-up between two waits', async () => {
    const wake = new Wake();
    const wait = wake.wait(10);
    vi.advanceTimersByTime(10); // resolved, but the code that awaits it has not run yet
    wake.wake();
    expect(await wait).toBe(false);
    expect(await wake.wait(1e6)).toBe(true);
  });

  test('keeps a wake-up when aborted', async () => {
    const wake = new Wake();
    const abort = new AbortController();
    const wait = wake.wait(1e6, abort.signal);
    abort.abort(new Error('stop'));
    wake.wake();
    expect(await wait).toBe(false);
    expect(await wake.wait(1e6, abort.signal)).toBe(false);
    expect(await wake.wait(1e6)).toBe(true);
    expect(listeners(abort.signal)).toBe(0);
  });
});
