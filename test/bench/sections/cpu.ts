/**
 * CPU time per push by process: more meaningful than rates on a busy machine, and for a fleet that is larger than this
 * machine. Roles in processes of their own, 10,000 groups, pushes as fast as they are accepted; then no load at all.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { startRedis } from '../../support/redis/server.ts';
import { fill } from '../load/fill.ts';
import { push } from '../load/wrk.ts';
import { cpuSeconds, total } from '../report/cpu-time.ts';
import type { Figure } from '../report/results.ts';
import { spread } from '../report/spread.ts';
import { startBare, startOfficialWith, startOn, whenDrained } from '../subjects.ts';
import type { Section } from './section.ts';

const GROUPS = 10_000;
const IDLE_SECONDS = 5;

export const cpuSection: Section = async (size, shape) => {
  const redis = await startRedis({ args: ['--appendfsync', 'everysec'] });
  const [ingest, worker, reader] = [
    await startOn(redis, 'ingest'),
    await startOn(redis, 'worker'),
    await startOn(redis, 'reader'),
  ];
  await fill({ url: ingest.url, to: GROUPS, shape });
  await whenDrained(redis, 120_000);
  const bare = await startBare();
  const official = await startOfficialWith(GROUPS, shape, false);

  const ours = { ingest: ingest.pid, worker: worker.pid, reader: reader.pid, Redis: redis.pid };
  const fastify = { 'fastify + XADD': bare.process.pid, 'its Redis': bare.redis.pid };
  const runs: readonly { readonly url: string; readonly pids: Readonly<Record<string, number>> }[] = [
    { url: ingest.url, pids: ours },
    { url: bare.url, pids: fastify },
    { url: official.url, pids: { 'official, its check disabled': official.process.pid } },
  ];
  const found = new Map<string, number[]>();
  const add = (name: string, value: number): void => void found.set(name, [...(found.get(name) ?? []), value]);
  for (let round = -1; round < size.rounds; round++) {
    for (const { url, pids } of runs) {
      if (pids === ours) await redis.cli('CONFIG', 'RESETSTAT');
      const before = Object.entries(pids).map(([name, pid]) => ({ name, pid, cpu: cpuSeconds(pid) }));
      const seconds = round < 0 ? size.warmUpSeconds : size.seconds;
      const { requests } = await push({ url, groups: GROUPS, seconds, shape });
      await whenDrained(redis, 120_000);
      if (round < 0) continue;
      for (const { name, pid, cpu } of before) {
        const after = cpuSeconds(pid);
        add(`per push: ${name}`, ((total(after) - total(cpu)) / requests) * 1e6);
        const main = (after.get(pid) ?? 0) - (cpu.get(pid) ?? 0);
        if (pids === ours) add(`per push: main thread of ${name}`, (main / requests) * 1e6);
      }
      if (pids !== ours) continue;
      // Redis counts the time of its commands without reading, writing and parsing.
      for (const { command, us, calls } of commandStats(await redis.cli('INFO', 'commandstats'))) {
        if (us / requests < 0.5) continue;
        add(`per push: ${command} in Redis`, us / requests);
        add(`calls of ${command} per push`, calls / requests);
      }
    }
  }
  const idle = Object.entries(ours).map(([name, pid]) => ({ name, pid, cpu: total(cpuSeconds(pid)) }));
  await delay(IDLE_SECONDS * 1_000);
  for (const { name, pid, cpu } of idle) {
    add(`per second, idle: ${name}`, ((total(cpuSeconds(pid)) - cpu) / IDLE_SECONDS) * 1e6);
  }
  return Array.from(found, ([name, values]): Figure => {
    const what = `CPU time ${name}`;
    const [text, unit] = name.startsWith('calls') ? [name, ''] : [what, 'µs'];
    return { id: `cpu.${name}`, what: text, ours: { name, unit, spread: spread(values) }, target: '' };
  });
};

function commandStats(text: string): { command: string; calls: number; us: number }[] {
  return Array.from(text.matchAll(/^cmdstat_([^:]+):calls=(\d+),usec=(\d+)/gm), ([, command = '', calls, us]) => {
    return { command: command.replace('|', ' ').toUpperCase(), calls: Number(calls), us: Number(us) };
  });
}
