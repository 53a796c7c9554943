/**
 * CPU profiles of the three roles, each in a process of its own, with 10,000 groups: of ingest and worker while pushes
 * arrive as fast as they are accepted, of the reader during 1,000 pushes per second and scrapes. The files are kept in
 * .cache/bench/profiles, for Chromium's DevTools or speedscope. The table has no row of this section.
 */
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { projectFolder } from '../../support/project.ts';
import { startRedis, type RedisServer } from '../../support/redis/server.ts';
import { Scraper } from '../load/scraper.ts';
import { fill } from '../load/fill.ts';
import { push } from '../load/wrk.ts';
import { cpuSeconds, total } from '../report/cpu-time.ts';
import { show, summarise } from '../report/cpu-profile.ts';
import { startOn, whenDrained } from '../subjects.ts';
import type { Gateway, Role } from '../../support/servers/gateway.ts';
import type { Section } from './section.ts';

const FOLDER = join(projectFolder, '.cache/bench/profiles');
const GROUPS = 10_000;
const TOP = 16;

export const profileSection: Section = async (size, shape) => {
  rmSync(FOLDER, { recursive: true, force: true });
  const redis = await startRedis({ args: ['--appendfsync', 'everysec'] });
  const filler = await startOn(redis, 'all');
  await fill({ url: filler.url, to: GROUPS, shape });
  await whenDrained(redis, 120_000);
  await filler.stop();

  // Node profiles from its start on; with that many seconds of load, the start is a small share.
  const seconds = 3 * size.seconds;
  const start = async (role: Role, name: string): Promise<Gateway> => await startProfiled(redis, role, name);

  const ingest = await start('ingest', 'ingest');
  await push({ url: ingest.url, groups: GROUPS, seconds, shape });
  await ingest.stop();
  const worker = await start('worker', 'worker');
  await whenDrained(redis, 120_000);
  await worker.stop();

  const all = await start('all', 'all');
  await push({ url: all.url, groups: GROUPS, seconds, shape });
  await whenDrained(redis, 120_000);
  await all.stop();

  const source = await startOn(redis, 'ingest');
  const merger = await startOn(redis, 'worker');
  const reader = await start('reader', 'reader-flow');
  const load = { url: source.url, groups: GROUPS, seconds, shape, connections: 64, rate: 1_000 };
  await push(load);
  await reader.stop();
  for (const encoding of ['identity', 'gzip'] as const) {
    const scraped = await start('reader', `reader-${encoding}`);
    const scraper = new Scraper(scraped.url, encoding);
    const untilMs = performance.now() + seconds * 1_000;
    const flow = push(load);
    let scrapes = 0;
    for (; performance.now() < untilMs; scrapes++) await scraper.scrape();
    await flow;
    scraper.close();
    console.log(`${scrapes} scrapes, ${encoding}, in ${seconds} s`);
    await scraped.stop();
  }
  await merger.stop();
  await source.stop();

  report();
  return [];
};

/** CPU profile of the start of a reader that loads 100,000 groups. */
export const profileStartSection: Section = async (_size, shape) => {
  rmSync(FOLDER, { recursive: true, force: true });
  const redis = await startRedis({ args: ['--appendfsync', 'everysec'] });
  const filler = await startOn(redis, 'all');
  await fill({ url: filler.url, to: 100_000, shape });
  await whenDrained(redis, 600_000);
  await filler.stop();
  const before = total(cpuSeconds(redis.pid));
  const startedMs = performance.now();
  const reader = await startProfiled(redis, 'reader', 'reader-start');
  console.log(`ready after ${((performance.now() - startedMs) / 1_000).toFixed(1)} s, profiled; CPU seconds:`);
  for (const [thread, seconds] of cpuSeconds(reader.pid)) {
    if (seconds >= 0.1) console.log(`  reader, ${thread === reader.pid ? 'main thread' : 'another'}: ${seconds}`);
  }
  console.log(`  Redis: ${(total(cpuSeconds(redis.pid)) - before).toFixed(2)}`);
  await reader.stop();
  report();
  return [];
};

async function startProfiled(redis: RedisServer, role: Role, name: string): Promise<Gateway> {
  const into = join(FOLDER, name);
  mkdirSync(into, { recursive: true });
  const nodeArgs = ['--cpu-prof', `--cpu-prof-dir=${into}`];
  const gateway = await startOn(redis, role, 'everysec', { nodeArgs, waitUntilReady: false });
  await gateway.waitUntilReady(120_000);
  return gateway;
}

function report(): void {
  for (const name of readdirSync(FOLDER)) {
    for (const file of readdirSync(join(FOLDER, name))) {
      console.log(`=== ${name}, ${file}: ${show(summarise(join(FOLDER, name, file)), TOP)}`);
    }
  }
}
