import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { CompressAhead } from '../../services/reader/scrape/compress-ahead.ts';
import { Snapshot } from '../../services/reader/snapshot/snapshot.ts';
import { eventually } from '../support/eventually.ts';
import { put } from '../support/snapshots.ts';

// When it works ahead, and when it leaves changes to the scrape. What comes out is spliced-gzip's.

const PARTS = 1_000;
const WINDOW_MS = 210; // of so many parts
const WHOLE = { part: { i: 0, n: 1 }, isGzip: true };

function start(): { snapshot: Snapshot; ahead: CompressAhead; change: (value: number) => Promise<void> } {
  const snapshot = new Snapshot();
  const ahead = new CompressAhead(snapshot);
  onTestFinished(() => ahead.destroy());
  const change = async (value: number): Promise<void> => {
    put(snapshot, { labels: [['job', 'a']], families: [{ name: 'x', text: `x{job="a"} ${value}\n` }] });
    await ahead.changes();
  };
  return { snapshot, ahead, change };
}

it('leaves changes alone until somebody has come twice', async () => {
  const { ahead, change } = start();
  await change(1);
  ahead.scraped('a', WHOLE, PARTS);
  ahead.scraped('b', WHOLE, PARTS);
  await change(2);
  await sleep(50);
  expect(ahead.spentMs).toBe(0);
});

it('compresses each change when scrapes follow each other closely, and no more than all of it would take', async () => {
  const { ahead, change } = start();
  const grows = async (): Promise<void> => {
    const before = ahead.spentMs;
    let value = 0;
    await eventually(async () => {
      ahead.scraped('a', WHOLE, PARTS);
      await change(value++);
      return ahead.spentMs > before;
    });
  };
  await grows();
  await grows();

  ahead.scraped('a', WHOLE, 0);
  const spent = ahead.spentMs;
  await change(-1);
  await sleep(50);
  expect(ahead.spentMs, 'nothing is left to spend').toBe(spent);
});

it('begins shortly before a regular scraper is due, whether there are changes then or were before', async () => {
  const { ahead, change } = start();
  const everyMs = 4 * WINDOW_MS;
  ahead.scraped('a', WHOLE, PARTS);
  await sleep(everyMs);
  ahead.scraped('a', WHOLE, PARTS);
  const scrapedMs = performance.now();
  await change(1);
  const spent = await eventually(() => ahead.spentMs > 0 && performance.now() - scrapedMs, { intervalMs: 1 });
  expect(spent).toBeGreaterThan(everyMs - WINDOW_MS - 50);
});

it.each([
  ['whole, without compression', { n: 1, isGzip: false }],
  ['in parts', { n: 2, isGzip: true }],
])('%s: joins what changed', async (_, { n, isGzip }) => {
  const { snapshot, ahead } = start();
  const fill = (value: number): void => {
    const families = ['x', 'y'].map((name) => {
      return { name, text: Array.from({ length: 1_000 }, (__, i) => `${name}{i="${i}",job="a"} ${value}\n`).join('') };
    });
    put(snapshot, { labels: [['job', 'a']], families });
  };
  fill(1);
  let i = 0;
  while ((await snapshot.partition(i, n, 0)).chunks().bytes === 0) i++; // the part that has the group
  for (let times = 0; times < 2; times++) ahead.scraped('a', { part: { i, n }, isGzip }, PARTS);
  fill(2);
  await ahead.changes();
  await eventually(() => ahead.spentMs > 0);
  // Each family has a segment of its own: had it not been joined, one would be left.
  expect((await snapshot.partition(i, n, 0)).applyPending(() => true)).toBe(0);
});
