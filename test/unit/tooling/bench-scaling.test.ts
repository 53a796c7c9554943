import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { results } from '../../bench/report/results.ts';
import { withScalingTables } from '../../bench/report/scaling-document.ts';
import {
  changedParts,
  firstLimit,
  limitsOf,
  mostWith,
  planOf,
  prometheusParts,
  scrapeOf,
  sizeOf,
  tightest,
  type Assumptions,
  type Costs,
} from '../../bench/report/scaling-model.ts';

const fileUrl = new URL('../../../docs/scaling.md', import.meta.url);

// `make scaling` updates the document.
test('docs/scaling.md has the tables of the current figures', async () => {
  await expect(withScalingTables(readFileSync(fileUrl, 'utf8'), results())).toMatchFileSnapshot(fileUrl.pathname);
});

const costs: Costs = {
  takeUs: 100,
  ingestFollowUs: 40,
  mergeUs: 20,
  readerFollowUs: 50,
  redisPushUs: 40,
  redisFollowUs: 10,
  scrapeUs: 0.5,
  partUs: 50,
  partBytes: 10_000,
  changesPerPush: 3,
  scrapeBytes: 1_000,
  gzipScrapeBytes: 100,
  redisGroupBytes: 2_000,
  readerGroupBytes: 5_000,
  ingestGroupBytes: 1_000,
  clusterRedis: 1.5,
  clusterWorker: 2,
  redisPushBytes: 3_000,
  redisFollowBytes: 1_000,
};

const assumed: Assumptions = {
  utilisation: 0.5,
  processBytes: 5e9,
  redisBytes: 10e9,
  networkBytesPerSecond: 1e9,
  scrapeSeconds: 10,
  scrapeSamples: 1e6,
  samplesPerGroup: 10,
  least: 2,
  shards: 16,
};

const limits = limitsOf(costs, assumed);

describe('one gateway', () => {
  test('a small load needs the minimum of each role, and one Redis', () => {
    expect(sizeOf({ groups: 100, pushesPerSecond: 10 }, costs, assumed)).toEqual({
      ingests: 2,
      workers: 2,
      readers: 2,
      masters: 1,
      shards: 1,
    });
  });

  test('following takes time of each ingest process, and each is one more follower of Redis', () => {
    // Following takes 400,000 of the 500,000 µs of a reader, 320,000 of an ingest process: 800,000 µs of pushes in
    // parts of 180,000.
    const sized = sizeOf({ groups: 100, pushesPerSecond: 8_000 }, costs, assumed);
    expect(sized).toMatchObject({ ingests: 5, readers: 2 });
    // 8,000 × (40 + 7 × 10) µs is more than one Redis has; on a Cluster half as much again, in three.
    expect(sized).toMatchObject({ masters: 3, shards: 16, workers: 2 });
    const dear = sizeOf(
      { groups: 100, pushesPerSecond: 8_000 },
      { ...costs, clusterRedis: 4, clusterWorker: 8 },
      assumed,
    );
    expect(dear).toMatchObject({ masters: 8, shards: 32, workers: 3 });
  });

  test('no number of processes is enough for a rate that one follower cannot follow', () => {
    expect(sizeOf({ groups: 100, pushesPerSecond: 9_999 }, costs, assumed)).toBeDefined();
    expect(sizeOf({ groups: 100, pushesPerSecond: 10_000 }, costs, assumed)).toBeUndefined();
  });

  test('no number of processes is enough for groups that do not fit into one reader', () => {
    expect(sizeOf({ groups: 1_000_000, pushesPerSecond: 10 }, costs, assumed)).toBeDefined();
    expect(sizeOf({ groups: 1_000_001, pushesPerSecond: 10 }, costs, assumed)).toBeUndefined();
  });

  test('more scrapes need more readers, more groups need more masters', () => {
    // Two scrapes of 1,000,000 × 0.5 µs each 10 s; 2 GB in 1 GB each.
    const tight = { ...assumed, redisBytes: 1e9, utilisation: 0.04 };
    expect(sizeOf({ groups: 1_000_000, pushesPerSecond: 10 }, costs, tight)).toMatchObject({ readers: 3, masters: 3 });
  });
});

test('the first limit is the one that the load uses most of', () => {
  expect(firstLimit(limits, { groups: 1_000, pushesPerSecond: 5_000 }).what).toBe('each reader follows every push');
  expect(firstLimit(limits, { groups: 900_000, pushesPerSecond: 5_000 }).what).toBe('each reader holds every group');
  expect(
    firstLimit(limits, { groups: 1_000, pushesPerSecond: 5_000 }).share({ groups: 1, pushesPerSecond: 5_000 }),
  ).toBe(0.5);
});

describe('a scrape', () => {
  const load = { groups: 100_000, pushesPerSecond: 1_000 };

  test('few changes each change one part, many changes change every part', () => {
    expect(changedParts({ ...load, pushesPerSecond: 1 }, 1, costs)).toBeCloseTo(3, 2);
    // 30,000 changes in 10,000 parts.
    expect(changedParts(load, 10, costs)).toBeCloseTo(10_000 * (1 - Math.exp(-3)), 6);
    expect(changedParts(load, 10_000, costs)).toBeCloseTo(10_000, 6);
    expect(changedParts({ ...load, pushesPerSecond: 0 }, 10, costs)).toBe(0);
  });

  test('the cost depends on the size and on the changes since the last scrape of this reader', () => {
    const changedUs = 10_000 * (1 - Math.exp(-3)) * costs.partUs;
    expect(scrapeOf(load, 2, costs, assumed)).toEqual({ us: 50_000 + changedUs, everySeconds: 10 });
    // One reader is scraped by both Prometheus servers, each of four by one, every second time.
    expect(scrapeOf(load, 1, costs, assumed).everySeconds).toBe(5);
    expect(scrapeOf(load, 4, costs, assumed).everySeconds).toBe(20);
  });

  test('changes can require more readers even if the size does not', () => {
    const rate = { groups: 1_000_000, pushesPerSecond: 4_000 };
    // Following leaves 300 ms of each second. Of 100,000 parts 83,500 change in 15 s: 4.7 s with what is sent. In 20 s
    // it is 5.1 s.
    expect(sizeOf(rate, { ...costs, partUs: 0 }, assumed)).toMatchObject({ readers: 2 });
    expect(sizeOf(rate, costs, assumed)).toMatchObject({ readers: 4 });
  });
});

describe('the bottleneck', () => {
  test('is the resource with the highest utilisation', () => {
    const gateway = { ingests: 2, workers: 2, readers: 2, masters: 1, shards: 1 };
    const tight = tightest({ groups: 100, pushesPerSecond: 5_000 }, gateway, costs, assumed);
    // 5,000 × (100 / 2 + 40) µs of an ingest process, 5,000 × (40 + 4 × 10) µs of Redis: 450 and 400 ms of 500.
    expect(tight).toEqual({ what: 'CPU time of an ingest process', share: 0.9 });
    const dear = { ...costs, redisPushUs: 80 };
    expect(tightest({ groups: 100, pushesPerSecond: 4_000 }, gateway, dear, assumed)).toEqual({
      what: 'CPU time of a Redis master',
      share: 0.96,
    });
    expect(tightest({ groups: 900_000, pushesPerSecond: 1 }, gateway, costs, assumed).what).toBe('memory of a reader');
  });

  test('the rate of one master, and of three in a Cluster, is limited by their CPU time', () => {
    const dear = { ...costs, redisPushUs: 110, clusterRedis: 2 };
    // 500,000 / (110 + 4 × 10); 3 × 500,000 / (2 × (110 + 4 × 10)).
    expect(mostWith(1, 0.01, dear, assumed)?.pushesPerSecond).toBeCloseTo(3_333, -1);
    expect(mostWith(3, 0.01, dear, assumed)?.pushesPerSecond).toBeCloseTo(5_000, -1);
    expect(mostWith(2, 0.01, dear, assumed)).toBeUndefined();
  });
});

describe('several gateways', () => {
  test('a small load needs one gateway', () => {
    expect(planOf({ groups: 100, pushesPerSecond: 10 }, costs, assumed)).toMatchObject({ gateways: 1, processes: 7 });
  });

  test('a load above the limits of one gateway is divided so that it needs the fewest processes', () => {
    const load = { groups: 10_000_000, pushesPerSecond: 100_000 };
    const { gateways, processes } = planOf(load, costs, assumed);
    expect(gateways).toBeGreaterThan(10);
    for (let n = 1; n < 200; n++) {
      const part = { groups: load.groups / n, pushesPerSecond: load.pushesPerSecond / n };
      const sized = sizeOf(part, costs, assumed);
      if (sized === undefined) continue;
      const { ingests, workers, readers, masters } = sized;
      expect(n * (ingests + workers + readers + masters)).toBeGreaterThanOrEqual(processes);
    }
  });
});

test('a scrape is divided by its samples', () => {
  expect(prometheusParts({ groups: 100_000, pushesPerSecond: 1 }, assumed)).toBe(1);
  expect(prometheusParts({ groups: 100_001, pushesPerSecond: 1 }, assumed)).toBe(2);
});
