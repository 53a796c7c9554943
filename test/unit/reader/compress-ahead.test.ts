import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { CompressAhead } from '../../../services/reader/scrape/compress-ahead.ts';
import { Snapshot } from '../../../services/reader/snapshot/snapshot.ts';
import { eventually } from '../../support/eventually.ts';
import { put } from '../../support/snapshots.ts';

// When changes are processed ahead, and when they are left to the scrape. The result is tested in spliced-gzip.test.ts.

const CHUNKS = 1_000;
const WINDOW_MS = 210; // for this number of chunks
const WHOLE = { partition: { i: 0, n: 1 }, isGzip: true };

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

it('leaves changes alone until a scraper has come twice', async () => {
  const { ahead, change } = start();
  await change(1);
  ahead.scraped('a', WHOLE, CHUNKS);
  ahead.scraped('b', WHOLE, CHUNKS);
  await change(2);
  await sleep(50);
  expect(ahead.spentMs).toBe(0);
});

it('compresses each change when scrapes follow each other closely, within the budget', async () => {
  const { ahead, change } = start();
  const grows = async (): Promise<void> => {
    const before = ahead.spentMs;
    let value = 0;
    await eventually(async () => {
      ahead.scraped('a', WHOLE, CHUNKS);
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

it('begins shortly before a regular scraper is due, even if the changes are older', async () => {
  const { ahead, change } = start();
  const everyMs = 4 * WINDOW_MS;
  ahead.scraped('a', WHOLE, CHUNKS);
  await sleep(everyMs);
  ahead.scraped('a', WHOLE, CHUNKS);
  const scrapedMs = performance.now();
  await change(1);
  const spent = await eventually(() => ahead.spentMs > 0 && performance.now() - scrapedMs, { intervalMs: 1 });
  expect(spent).toBeGreaterThan(everyMs - WINDOW_MS - 50);
});

it.each([
  ['whole, without compression', { n: 1, isGzip: false }],
  ['in partitions', { n: 2, isGzip: true }],
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
  while ((await snapshot.partition(i, n, 0))?.chunks().bytes === 0) i++; // the partition that has the group
  for (let times = 0; times < 2; times++) ahead.scraped('a', { partition: { i, n }, isGzip }, CHUNKS);
  fill(2);
  await ahead.changes();
  await eventually(() => ahead.spentMs > 0);
  // Each family has a segment of its own, so one would be left if it had not been joined.
  expect((await snapshot.partition(i, n, 0))?.applyPending(() => true)).toBe(0);
});

it('a client that requests many partitions does not displace a regular scraper', async () => {
  const { ahead, change } = start();
  const everyMs = 2 * WINDOW_MS;
  ahead.scraped('a', WHOLE, CHUNKS);
  await sleep(everyMs);
  ahead.scraped('a', WHOLE, CHUNKS);
  for (let n = 2; n < 50; n++) ahead.scraped('b', { partition: { i: 0, n }, isGzip: true }, CHUNKS);
  await change(1);
  await eventually(() => ahead.spentMs > 0);
});
