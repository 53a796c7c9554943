/**
 * CPU time of a push, with each role in a process of its own: compared with fastify and one XADD, and with 10,000
 * groups stored compared with 500.
 */
import { startRedis } from '../../support/redis/server.ts';
import { fill } from '../load/fill.ts';
import type { Shape } from '../load/workload.ts';
import { push } from '../load/wrk.ts';
import { startBare, startOn, whenDrained } from '../subjects.ts';
import { cpuOf, Rounds, type CheckSection } from './section.ts';

const SHAPE: Shape = { families: 2 };
const SECONDS = 3;
/** Number of connections. With many, other load on the machine matters less. */
const CONNECTIONS = 64;
const MANY = 10_000;
const FEW = 500;

interface Fleet {
  readonly url: string;
  readonly groups: number;
  readonly pids: Readonly<Record<string, number>>;
  readonly drain: () => Promise<void>;
}

export const pushCheck: CheckSection = async (rounds) => {
  const [many, few, bare] = [await startFleet(MANY), await startFleet(FEW), await startLimit()];
  const found = new Rounds();
  for (let round = -1; round < rounds; round++) {
    for (const [name, { url, groups, pids, drain }] of Object.entries({ many, few, bare })) {
      let pushes = 0;
      const cpu = await cpuOf(pids, async () => {
        ({ requests: pushes } = await push({ url, groups, seconds: SECONDS, shape: SHAPE, connections: CONNECTIONS }));
        await drain();
      });
      if (round < 0) continue;
      for (const role of Object.keys(pids)) found.add(`${name} ${role}`, cpu.of(role) / pushes);
      found.add(name, cpu.all / pushes);
    }
  }
  const against = 'CPU time of a push, against fastify + XADD and its Redis';
  return [
    found.ratio('push.together', `${against}: all roles and Redis`, 'many', 'bare'),
    ...['ingest', 'worker', 'reader', 'Redis'].map((role) =>
      found.ratio(`push.${role}`, `${against}: ${role}`, `many ${role}`, 'bare'),
    ),
    found.ratio('push.growth', `CPU time of a push with ${MANY} groups, against ${FEW}`, 'many', 'few'),
  ];
};

async function startFleet(groups: number): Promise<Fleet> {
  const redis = await startRedis({ args: ['--appendfsync', 'everysec'] });
  const [ingest, worker, reader] = [
    await startOn(redis, 'ingest'),
    await startOn(redis, 'worker'),
    await startOn(redis, 'reader'),
  ];
  const drain = async (): Promise<void> => await whenDrained(redis, 120_000);
  await fill({ url: ingest.url, to: groups, shape: SHAPE });
  await drain();
  const pids = { ingest: ingest.pid, worker: worker.pid, reader: reader.pid, Redis: redis.pid };
  return { url: ingest.url, groups, pids, drain };
}

async function startLimit(): Promise<Fleet> {
  const { url, process, redis } = await startBare();
  const drain = async (): Promise<void> => void (await redis.cli('UNLINK', 'bare:pushes'));
  return { url, groups: MANY, pids: { fastify: process.pid, Redis: redis.pid }, drain };
}
