import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { CompressAhead } from '../../services/reader/compress-ahead.ts';
import { Snapshot } from '../../shared/state/snapshot.ts';
import { eventually } from '../support/eventually.ts';
import { put } from '../support/snapshots.ts';

// When it works ahead, and when it leaves changes to the scrape. What comes out is spliced-gzip's.

const PARTS = 1_000;
const WINDOW_MS = 210; // of so many parts
const WHOLE = { part: { i: 0, n: 1 }, isGzip: true };

function start(): { ahead: CompressAhead; change: (value: number) => Promise<void> } {
  const snapshot = new Snapshot();
  const ahead = new CompressAhead(snapshot);
  onTestFinished(() => ahead.destroy());
  const change = async (value: number): Promise<void> => {
    put(snapshot, { labels: [['job', 'a']], families: [{ name: 'x', text: `x{job="a"} ${value}\n` }] });
    await ahead.changes();
  };
  return { ahead, change };
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
