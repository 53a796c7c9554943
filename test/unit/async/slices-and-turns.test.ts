import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { mergeInSlices, sortInSlices } from '../../../shared/async/sort-in-slices.ts';
import { inSlices, Slices } from '../../../shared/async/time-slices.ts';
import { Turns, type EndTurn } from '../../../shared/async/turns.ts';

const LIMITS = { atOnce: 3, atOncePerClient: 2, waiting: 6, patienceMs: 100 } as const;

describe('turns', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
  });

  /** Takes turns for these clients; `begun` and `refused` list them by their position. */
  function take(turns: Turns, clients: string) {
    const seen = { begun: [] as string[], refused: [] as string[], ends: new Map<string, EndTurn>() };
    const takeOne = async (client: string, name: string): Promise<void> => {
      const end = await turns.take(client);
      if (end === undefined) seen.refused.push(name);
      else {
        seen.begun.push(name);
        seen.ends.set(name, end);
      }
    };
    for (const [i, client] of Array.from(clients).entries()) void takeOne(client, `${client}${i}`);
    const end = async (name: string): Promise<void> => {
      seen.ends.get(name)?.();
      await vi.advanceTimersByTimeAsync(0);
    };
    return { seen, end };
  }

  test('are limited in total and for each client', async () => {
    const { seen, end } = take(new Turns(LIMITS), 'aaabb');
    await vi.advanceTimersByTimeAsync(0);
    expect(seen.begun).toEqual(['a0', 'a1', 'b3']);
    await end('b3');
    // Client a has both of its turns.
    expect(seen.begun).toEqual(['a0', 'a1', 'b3', 'b4']);
    await end('a0');
    expect(seen.begun.at(-1)).toBe('a2');
    for (const name of ['a1', 'a2', 'b4']) await end(name);
    expect(seen.refused).toEqual([]);
  });

  test('alternate between clients', async () => {
    const { seen, end } = take(new Turns({ ...LIMITS, atOnce: 1, atOncePerClient: 1 }), 'aaaabbc');
    await vi.advanceTimersByTimeAsync(0);
    for (let i = 0; i < 7; i++) await end(seen.begun.at(-1) ?? '');
    expect(seen.begun.map(([client]) => client).join('')).toBe('aabcaba');
  });

  test('ending a turn twice has no further effect', async () => {
    const { seen, end } = take(new Turns({ ...LIMITS, atOnce: 1 }), 'abc');
    await vi.advanceTimersByTimeAsync(0);
    await end('a0');
    await end('a0');
    expect(seen.begun).toEqual(['a0', 'b1']);
    await end('b1');
    await end('c2');
  });

  test('when too many requests wait, the newest of the longest queue is refused', async () => {
    const turns = new Turns({ ...LIMITS, atOnce: 1 });
    const { seen, end } = take(turns, `a${'a'.repeat(6)}bab`);
    await vi.advanceTimersByTimeAsync(0);
    // b takes the place of a6; a8 would itself be the newest of the longest queue; b takes the place of a5.
    expect(seen.refused).toEqual(['a6', 'a8', 'a5']);
    for (let i = 0; i < 7; i++) await end(seen.begun.at(-1) ?? '');
    expect(seen.begun.length).toBe(7);
  });

  test('a client that waits for too long is refused', async () => {
    const { seen, end } = take(new Turns({ ...LIMITS, atOnce: 1 }), 'ab');
    await vi.advanceTimersByTimeAsync(99);
    expect(seen.refused).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(seen.refused).toEqual(['b1']);
    await end('a0');
    expect(seen.begun).toEqual(['a0']);
  });
});

describe('slices', () => {
  const spin = (ms: number): void => {
    for (const startedMs = performance.now(); performance.now() - startedMs < ms;);
  };

  test('one slice runs in each turn of the event loop, with any amount of work', async () => {
    let turns = 0;
    let isDone = false;
    const count = (): void => {
      turns++;
      if (!isDone) setImmediate(count);
    };
    setImmediate(count);
    const perTurn = new Map<number, number>();
    const work = async (): Promise<void> => {
      const slices = new Slices(1);
      for (let i = 0; i < 5; i++) {
        spin(1);
        await slices.next();
        perTurn.set(turns, (perTurn.get(turns) ?? 0) + 1);
      }
    };
    await Promise.all(Array.from({ length: 20 }, work));
    isDone = true;
    expect([...perTurn.values()].reduce((sum, n) => sum + n)).toBe(100);
    expect(Math.max(...perTurn.values())).toBe(1);
  });

  test('a slice is over after its time, and the next one starts', async () => {
    const slices = new Slices(1);
    spin(3);
    expect(slices.isOver).toBe(true);
    await slices.next();
    spin(2);
    await slices.next();
    expect(slices.spentMs).toBeGreaterThanOrEqual(5);
  });

  test('work is repeated until it is done', async () => {
    let left = 3;
    await inSlices(() => --left === 0);
    expect(left).toBe(0);
  });
});

describe('sorting in slices', () => {
  const compare = (a: { key: number }, b: { key: number }): number => a.key - b.key;
  const items = (count: number): { key: number; at: number }[] =>
    Array.from({ length: count }, (_, at) => ({ key: (at * 7_919) % 97, at }));

  test.for([0, 1, 511, 512, 513, 1_024, 3_000])('%i items: as toSorted', async (count) => {
    expect(await sortInSlices(items(count), compare, new Slices())).toEqual(items(count).toSorted(compare));
  });

  test('merging prefers the first of equal items', async () => {
    const merged = await mergeInSlices([{ key: 1, at: 0 }], [{ key: 0, at: 1 }, { key: 1, at: 2 }], compare, new Slices()); // prettier-ignore
    expect(merged.map(({ at }) => at)).toEqual([1, 0, 2]);
  });
});
