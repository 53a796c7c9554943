/**
 * Resident memory with 100,000 groups of 10 series, and the time until a reader is ready that loads them from Redis.
 */
import { Scraper } from '../load/scraper.ts';
import { fill } from '../load/fill.ts';
import type { Figure } from '../report/results.ts';
import { ratios, spread } from '../report/spread.ts';
import { residentMb, startOfficialWith, startOn, whenDrained } from '../subjects.ts';
import { startRedis } from '../../support/redis/server.ts';
import type { Section } from './section.ts';

const GROUPS = 100_000;

export const memorySection: Section = async (size, shape) => {
  const redis = await startRedis({ args: ['--appendfsync', 'everysec'] });
  const filler = await startOn(redis, 'all');
  await fill({ url: filler.url, to: GROUPS, shape });
  await whenDrained(redis, 600_000);
  await filler.stop();

  const readyS: number[] = [];
  const allReadyS: number[] = [];
  const oursMb: number[] = [];
  const redisMb: number[] = [];
  for (let round = 0; round < Math.min(3, size.rounds); round++) {
    for (const role of ['reader', 'all'] as const) {
      const startedMs = performance.now();
      const gateway = await startOn(redis, role, 'everysec', { waitUntilReady: false });
      await gateway.waitUntilReady(120_000);
      (role === 'reader' ? readyS : allReadyS).push((performance.now() - startedMs) / 1_000);
      if (role === 'reader') {
        await scrapeOnce(gateway.url);
        redisMb.push(residentMb(redis.pid));
        oursMb.push(residentMb(gateway.pid) + residentMb(redis.pid));
      }
      await gateway.stop();
    }
  }
  await redis.stop();
  const official = await startOfficialWith(GROUPS, shape, false);
  await scrapeOnce(official.url);
  const officialMb = [residentMb(official.process.pid)];

  const ratio = ratios(
    oursMb,
    oursMb.map(() => officialMb[0] ?? Number.NaN),
  );
  const ready = (id: string, role: string, values: readonly number[]): Figure => ({
    id: `memory.${id}`,
    what: `time from start to ready with 100,000 groups in Redis, role ${role}`,
    ours: { name: 'ours', unit: 's', spread: spread(values) },
    target: '≤ 5 s',
    met: spread(values).median <= 5,
  });
  return [
    {
      id: 'memory.resident',
      what: 'resident memory of reader and Redis together, 100,000 groups × 10 series, after a scrape of each encoding',
      ours: { name: 'ours', unit: 'MB', spread: spread(oursMb) },
      versus: { name: 'official', unit: 'MB', spread: spread(officialMb) },
      ratio,
      target: '≤ 0.5',
      met: ratio.median <= 0.5,
    },
    {
      id: 'memory.redis',
      what: 'of these, Redis',
      ours: { name: 'ours', unit: 'MB', spread: spread(redisMb) },
      target: '',
    },
    ready('ready-reader', 'reader', readyS),
    ready('ready-all', 'all', allReadyS),
  ];
};

async function scrapeOnce(url: string): Promise<void> {
  for (const encoding of ['identity', 'gzip'] as const) {
    const scraper = new Scraper(url, encoding);
    await scraper.scrape();
    scraper.close();
  }
}
