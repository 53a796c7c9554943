/** Which large push is prepared next. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ThreadTurns } from '../../../services/ingest/prepare/thread-turns.ts';
import { GatewayError } from '../../../shared/errors.ts';

const MAX_MS = 30_000;
const LONG = 500;
const SHORT = 10;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

function start(threads = 2) {
  const turns = new ThreadTurns(threads, MAX_MS);
  const begun: string[] = [];
  const refused: string[] = [];
  const ends = new Map<string, () => void>();
  const refusals = new Map<string, (reason: GatewayError) => void>();
  const settle = async (ms = 0): Promise<void> => {
    await vi.advanceTimersByTimeAsync(ms);
  };
  /** The client is the letter that the name begins with. */
  const take = async (name: string, costMs: number): Promise<void> => {
    void (async () => {
      try {
        ends.set(name, await turns.take(name.charAt(0), costMs, (refuse) => refusals.set(name, refuse)));
        begun.push(name);
      } catch (thrown) {
        expect(thrown).toMatchObject({ code: 'overloaded' });
        refused.push(name);
      }
    })();
    await settle();
  };
  const end = async (name: string, afterMs = 0): Promise<void> => {
    await settle(afterMs);
    ends.get(name)?.();
    await settle();
  };
  /** Runs all waiting pushes. */
  const endAll = async (): Promise<void> => {
    for (const name of begun) await end(name);
  };
  return { begun, refused, refusals, take, end, endAll, settle };
}

describe('a thread', () => {
  test('is given to the client that has used the least time', async () => {
    const { begun, take, end, endAll } = start();
    for (const name of ['a1', 'a2', 'a3', 'b1']) await take(name, LONG);
    expect(begun).toEqual(['a1']);
    await end('a1', 1_000);
    expect(begun).toEqual(['a1', 'b1']);
    await end('b1', 100);
    // Client a has used more, but b does not wait.
    expect(begun).toEqual(['a1', 'b1', 'a2']);
    await endAll();
    expect(begun).toEqual(['a1', 'b1', 'a2', 'a3']);
  });

  test('is reserved for short pushes, unless their client has used much time in total', async () => {
    const { begun, take, end, endAll } = start();
    for (const name of ['a1', 'a2']) await take(name, LONG);
    await take('b1', SHORT);
    expect(begun).toEqual(['a1', 'b1']);
    await end('b1', 4_000);
    // It took longer than expected, as compressed bodies do.
    await take('b2', SHORT);
    expect(begun).toEqual(['a1', 'b1']);
    await take('c1', SHORT);
    expect(begun).toEqual(['a1', 'b1', 'c1']);
    await endAll();
    expect(begun).toHaveLength(5);
  });

  test('is finally given to a large push, even if many clients send smaller ones', async () => {
    const { begun, take, end, endAll } = start();
    await take('a1', LONG);
    await take('b1', 2 * LONG);
    for (const client of 'cdefghijklmnopqrstuvwxyz') {
      await take(`${client}1`, LONG / 2);
      await end(begun.at(-1) ?? '', 1_000);
    }
    expect(begun.indexOf('b1')).toBeGreaterThan(5);
    await endAll();
    expect(begun.at(-1)).toBe('z1');
  });
});

describe('is refused', () => {
  test('a push that has waited too long', async () => {
    const { refused, take, settle, endAll } = start();
    for (const name of ['a1', 'a2']) await take(name, LONG);
    await settle(MAX_MS - 1);
    expect(refused).toEqual([]);
    await settle(1);
    expect(refused).toEqual(['a2']);
    await endAll();
  });

  test('the newest push of the client with the most, if too many wait', async () => {
    const { refused, take, endAll } = start();
    for (let i = 0; i <= 256; i++) await take(`a${i}`, LONG);
    expect(refused).toEqual([]);
    await take('a257', LONG);
    expect(refused).toEqual(['a257']);
    await take('b1', LONG);
    expect(refused).toEqual(['a257', 'a256']);
    await endAll();
  });

  test('a push that is cancelled while it waits', async () => {
    const { begun, refused, refusals, take, endAll } = start();
    for (const name of ['a1', 'a2', 'a3']) await take(name, LONG);
    refusals.get('a2')?.(new GatewayError('overloaded', 'others need the room'));
    await endAll();
    expect(refused).toEqual(['a2']);
    expect(begun).toEqual(['a1', 'a3']);
  });
});
