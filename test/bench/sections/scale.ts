/**
 * The measurements behind docs/scaling.md: CPU time per push as processes and shards are added, at the same rate; the
 * cost of following pushes that other processes accept; traffic of Redis; memory per group; and the cost of a scrape.
 *
 * A machine with few cores cannot show how the rate grows with the number of processes. It can show whether the work
 * for a push stays the same when more processes share it, and which part of that work each process does again.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../../support/eventually.ts';
import type { Gateway } from '../../support/servers/gateway.ts';
import { startCluster } from '../../support/redis/cluster.ts';
import { startRedis, type RedisServer } from '../../support/redis/server.ts';
import { endResources, heldCount } from '../../support/process/resources.ts';
import { fill } from '../load/fill.ts';
import { Scraper } from '../load/scraper.ts';
import type { Shape } from '../load/workload.ts';
import { push } from '../load/wrk.ts';
import { cpuSeconds, total } from '../report/cpu-time.ts';
import type { Figure } from '../report/results.ts';
import { spread } from '../report/spread.ts';
import { groupsShown, residentMb, settled, startOn } from '../subjects.ts';
import type { Section, Size } from './section.ts';

const GROUPS = 10_000;
const RATE = 1_000;
const CATCH_UP = 20_000;
const STORED = 100_000;

interface Topology {
  readonly name: string;
  readonly ingests: number;
  readonly workers: number;
  readonly readers: number;
  readonly shards: number;
  /** Three masters, each with a replica. */
  readonly cluster?: boolean;
}

const ONE: Topology = { name: 'one of each', ingests: 1, workers: 1, readers: 1, shards: 1 };

const TOPOLOGIES: readonly Topology[] = [
  ONE,
  { ...ONE, name: '2 ingests', ingests: 2 },
  { ...ONE, name: '4 ingests', ingests: 4 },
  { ...ONE, name: '2 workers', workers: 2 },
  { ...ONE, name: '4 workers', workers: 4 },
  { ...ONE, name: '2 readers', readers: 2 },
  { ...ONE, name: '4 readers', readers: 4 },
  { ...ONE, name: '4 shards', shards: 4 },
  { ...ONE, name: '16 shards', shards: 16 },
  { ...ONE, name: '16 shards, Cluster of 3', shards: 16, cluster: true },
];

interface Fleet {
  readonly redis: readonly RedisServer[];
  readonly ingests: readonly Gateway[];
  readonly workers: readonly Gateway[];
  readonly readers: readonly Gateway[];
  /** Resolves when the pushes of `send`, which returns their number, are merged. */
  readonly whenMerged: (send: () => Promise<number>) => Promise<number>;
}

type Found = Map<string, number[]>;

export const scaleSection: Section = async (size, shape) => {
  const found: Found = new Map();
  for (const topology of TOPOLOGIES) {
    const keep = heldCount();
    await measureTopology(topology, size, shape, found);
    await endResources(keep);
  }
  const keep = heldCount();
  await measureFollowing(size, shape, found);
  await endResources(keep);
  await measureStored(size, shape, found);
  return figures(found);
};

async function startFleet({ ingests, workers, readers, shards, cluster = false }: Topology): Promise<Fleet> {
  const args = ['--appendfsync', 'everysec'];
  const topology = cluster ? await startCluster({ args }) : undefined;
  const single = topology === undefined ? await startRedis({ args }) : undefined;
  const endpoint = topology?.endpoint ?? single?.endpoint ?? '';
  const many = async (count: number, role: 'ingest' | 'worker' | 'reader'): Promise<Gateway[]> => {
    const started: Gateway[] = [];
    const options = { args: [`--redis.shards=${shards}`] };
    for (let i = 0; i < count; i++) started.push(await startOn({ endpoint }, role, 'everysec', options));
    return started;
  };
  const all = {
    ingests: await many(ingests, 'ingest'),
    workers: await many(workers, 'worker'),
    readers: await many(readers, 'reader'),
  };
  const merged = async (): Promise<number> => sum(await Promise.all(all.workers.map(settled)));
  const whenMerged: Fleet['whenMerged'] = async (send) => {
    const before = await merged();
    const pushes = await send();
    const done = async (): Promise<boolean> => (await merged()) - before >= pushes;
    await eventually(done, { timeoutMs: 120_000, intervalMs: 200, what: 'all pushes merged' });
    return pushes;
  };
  return { redis: topology === undefined ? (single ? [single] : []) : await topology.masters(), ...all, whenMerged };
}

/** The same rate for all topologies; only the number of processes differs. */
async function measureTopology(topology: Topology, size: Size, shape: Shape, found: Found): Promise<void> {
  const fleet = await startFleet(topology);
  const { redis, ingests, workers, readers } = fleet;
  // Warms up every ingest process.
  for (const { url } of ingests) {
    await fleet.whenMerged(async () => {
      await fill({ url, to: GROUPS, shape });
      return GROUPS;
    });
  }
  const roles = { ingest: ingests, worker: workers, reader: readers, Redis: redis };
  const used = (): Map<string, number> => {
    return new Map(Object.entries(roles).map(([role, processes]) => [role, cpuOf(processes)]));
  };
  for (let round = 0; round < size.rounds; round++) {
    const rate = RATE / ingests.length;
    const load = { groups: GROUPS, seconds: size.seconds, shape, connections: 16, rate };
    const [before, bytesBefore] = [used(), await redisBytes(redis)];
    const pushes = await fleet.whenMerged(async () => {
      const sent = await Promise.all(ingests.map(async ({ url }) => await push({ ...load, url })));
      return sum(sent.map(({ requests }) => requests));
    });
    const [after, bytesAfter] = [used(), await redisBytes(redis)];
    for (const role of Object.keys(roles)) {
      add(found, `${topology.name}: ${role}`, (((after.get(role) ?? 0) - (before.get(role) ?? 0)) / pushes) * 1e6);
    }
    add(found, `${topology.name}: bytes in`, (bytesAfter.in - bytesBefore.in) / pushes);
    add(found, `${topology.name}: bytes out`, (bytesAfter.out - bytesBefore.out) / pushes);
  }
}

/**
 * An ingest process that accepts nothing and a reader, beside an ingest process that accepts pushes: as many as it can,
 * then at the same rate as above. Finally, how fast both catch up after they were stopped.
 */
async function measureFollowing(size: Size, shape: Shape, found: Found): Promise<void> {
  const { redis, ingests, workers, readers, whenMerged } = await startFleet({ ...ONE, ingests: 2 });
  const [source, idle, reader] = [ingests[0], ingests[1], readers[0]];
  if (source === undefined || idle === undefined || reader === undefined) return;
  const filled = async (): Promise<unknown> => {
    return await whenMerged(async () => {
      await fill({ url: source.url, to: CATCH_UP, shape });
      return CATCH_UP;
    });
  };
  await filled();
  await eventually(async () => (await groupsShown(reader)) >= CATCH_UP, {
    timeoutMs: 60_000,
    what: 'all groups shown',
  });
  for (let round = 0; round < size.rounds; round++) {
    const load = { url: source.url, groups: GROUPS, seconds: size.seconds, shape };
    const busy = {
      ingest: [source],
      'ingest that only follows': [idle],
      worker: workers,
      reader: readers,
      Redis: redis,
    };
    const used = Object.entries(busy).map(([role, processes]) => ({ role, processes, cpu: cpuOf(processes) }));
    const pushes = await whenMerged(async () => (await push(load)).requests);
    await quiet(idle);
    for (const { role, processes, cpu } of used) {
      add(found, `saturated: ${role}`, ((cpuOf(processes) - cpu) / pushes) * 1e6);
    }
    add(found, 'saturated: rate', pushes / size.seconds);

    const before = cpuOf([idle]);
    const { requests } = await push({ ...load, rate: RATE });
    await quiet(idle);
    add(found, 'following: ingest', ((cpuOf([idle]) - before) / requests) * 1e6);

    for (const { process } of [reader, idle]) process.signal('SIGSTOP');
    await filled();
    for (const [role, gateway] of Object.entries({ reader, ingest: idle })) {
      const [cpuBefore, redisBefore] = [cpuOf([gateway]), cpuOf(redis)];
      const startedMs = performance.now();
      gateway.process.signal('SIGCONT');
      const endedMs = await quiet(gateway);
      add(found, `catching up: ${role}`, ((cpuOf([gateway]) - cpuBefore) / CATCH_UP) * 1e6);
      add(found, `catching up: ${role}, rate`, CATCH_UP / ((endedMs - startedMs) / 1_000));
      add(found, `catching up: Redis for ${role}`, ((cpuOf(redis) - redisBefore) / CATCH_UP) * 1e6);
    }
  }
}

/** Memory of each role and of Redis, and the CPU time of a scrape, with 100,000 groups. */
async function measureStored(size: Size, shape: Shape, found: Found): Promise<void> {
  const redis = await startRedis({ args: ['--appendfsync', 'everysec'] });
  const emptyMb = await usedMb(redis);
  const start = async (role: 'ingest' | 'reader'): Promise<Gateway> => {
    const gateway = await startOn(redis, role, 'everysec', { waitUntilReady: false });
    await gateway.waitUntilReady(120_000);
    return gateway;
  };
  const bare: Record<string, number> = {};
  for (const role of ['ingest', 'reader'] as const) {
    const gateway = await start(role);
    bare[role] = residentMb(gateway.pid);
    add(found, `memory, no group: ${role}`, bare[role]);
    await gateway.stop();
  }
  const filler = await startOn(redis, 'all');
  await fill({ url: filler.url, to: STORED, shape });
  await eventually(async () => (await settled(filler)) >= STORED, { timeoutMs: 120_000, what: 'all pushes merged' });
  await filler.stop();
  await redis.cli('XTRIM', 'pgw:{0}:changes', 'MAXLEN', '1');
  add(found, 'memory: Redis', (((await usedMb(redis)) - emptyMb) * 1e6) / STORED);
  for (let round = 0; round < Math.min(3, size.rounds); round++) {
    for (const role of ['ingest', 'reader'] as const) {
      const gateway = await start(role);
      const of = (): number => ((residentMb(gateway.pid) - (bare[role] ?? 0)) * 1e6) / STORED;
      if (role === 'ingest') {
        await quiet(gateway); // ready precedes the load of all groups
      } else {
        for (const encoding of ['identity', 'gzip'] as const) await measureScrapes(gateway, encoding, size, found);
      }
      add(found, `memory: ${role}`, of());
      if (role === 'reader') {
        for (let i = 0; i < 4; i++) {
          const scraper = new Scraper(gateway.url, 'identity', `/metrics?shard=${i}/4`);
          await scraper.scrape();
          scraper.close();
        }
        add(found, 'memory: reader, partitioned', of());
      }
      await gateway.stop();
    }
  }
}

async function measureScrapes(reader: Gateway, encoding: 'identity' | 'gzip', size: Size, found: Found): Promise<void> {
  const scraper = new Scraper(reader.url, encoding);
  const { bytes } = await scraper.scrape();
  const before = cpuOf([reader]);
  for (let i = 0; i < size.scrapes; i++) await scraper.scrape();
  add(found, `scrape: ${encoding}`, ((cpuOf([reader]) - before) / size.scrapes / STORED) * 1e9);
  add(found, `scrape: ${encoding}, bytes`, bytes / STORED);
  scraper.close();
}

/** Waits until the process is idle; returns when it was last seen working, ms. */
async function quiet(gateway: Gateway): Promise<number> {
  const LOOK_MS = 250;
  const IDLE_SECONDS = 0.03;
  let lastMs = performance.now();
  let before = cpuOf([gateway]);
  for (let calm = 0; calm < 4;) {
    await delay(LOOK_MS);
    const now = cpuOf([gateway]);
    calm = now - before <= IDLE_SECONDS ? calm + 1 : 0;
    if (calm === 0) lastMs = performance.now();
    before = now;
  }
  return lastMs;
}

function cpuOf(processes: readonly { readonly pid: number }[]): number {
  return sum(processes.map(({ pid }) => total(cpuSeconds(pid))));
}

async function redisBytes(servers: readonly RedisServer[]): Promise<{ in: number; out: number }> {
  const read = async (field: string): Promise<number> =>
    sum(await Promise.all(servers.map(async (one) => Number(await one.info(field)))));
  return { in: await read('total_net_input_bytes'), out: await read('total_net_output_bytes') };
}

async function usedMb(redis: RedisServer): Promise<number> {
  return Number(await redis.info('used_memory')) / 1e6;
}

function add(found: Found, name: string, value: number): void {
  found.set(name, [...(found.get(name) ?? []), value]);
}

function sum(values: readonly number[]): number {
  return values.reduce((all, one) => all + one, 0);
}

function figures(found: Found): Figure[] {
  const units: readonly (readonly [RegExp, string, string])[] = [
    [/^memory, no group: /, 'resident memory without a group', 'MB'],
    [/^memory: /, 'memory per group, 100,000 groups', 'bytes'],
    [/^scrape: \w+, bytes/, 'size of a scrape per group', 'bytes'],
    [/^scrape: /, 'CPU time of a scrape per 1,000 groups, 100,000 groups', 'µs'],
    [/^catching up: \w+, rate/, 'changed groups per second, followed by a process that fell behind', '/s'],
    [/^catching up: /, 'CPU time per changed group in a process that fell behind', 'µs'],
    [/^saturated: rate/, 'pushes accepted by one ingest process, with another beside it', 'pushes/s'],
    [/^saturated: /, 'CPU time per push', 'µs'],
    [/^following: /, `CPU time per push that others accept, ${RATE.toLocaleString('en')}/s`, 'µs'],
    [/: bytes (in|out)$/, `bytes to and from Redis per push, ${RATE.toLocaleString('en')}/s`, 'bytes'],
    [/./, `CPU time per push, all processes of a role, ${RATE.toLocaleString('en')}/s`, 'µs'],
  ];
  return Array.from(found, ([name, values]): Figure => {
    const [, what, unit] = units.find(([pattern]) => pattern.test(name)) ?? [/./, '', ''];
    return { id: `scale.${name}`, what: `${what}: ${name}`, ours: { name, unit, spread: spread(values) }, target: '' };
  });
}
