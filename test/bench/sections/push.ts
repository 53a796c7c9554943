/**
 * Accepted pushes per second with 10,000 groups stored: ours, the official gateway, and a server that does the minimum.
 */
import { push } from '../load/wrk.ts';
import { ratios, spread, type Spread } from '../report/spread.ts';
import type { Figure, Measured } from '../report/results.ts';
import { fillOurs, startBare, startOfficialWith, startOurs, whenDrained, whenIdle } from '../subjects.ts';
import type { Section } from './section.ts';

const GROUPS = 10_000;

export const pushSection: Section = async (size, shape) => {
  const [ours, synced] = [await startOurs('everysec'), await startOurs('always')];
  for (const one of [ours, synced]) await fillOurs(one, GROUPS, shape);
  const [bare, pipelined, bareSynced] = [
    await startBare('everysec'),
    await startBare('everysec', true),
    await startBare('always', true),
  ];
  const unchecked = await startOfficialWith(GROUPS, shape, false);
  const checked = await startOfficialWith(GROUPS, shape, true);

  const subjects: Record<string, { url: string; drain?: () => Promise<void> }> = {
    ours: { url: ours.gateway.url, drain: async () => await whenDrained(ours.redis, 120_000) },
    synced: { url: synced.gateway.url, drain: async () => await whenDrained(synced.redis, 120_000) },
    bare: { url: bare.url, drain: async () => void (await bare.redis.cli('DEL', 'bare:pushes')) },
    pipelined: { url: pipelined.url, drain: async () => void (await pipelined.redis.cli('DEL', 'bare:pushes')) },
    bareSynced: { url: bareSynced.url, drain: async () => void (await bareSynced.redis.cli('DEL', 'bare:pushes')) },
    unchecked: { url: unchecked.url },
    checked: { url: checked.url, drain: async () => await whenIdle(checked.process.pid) },
  };
  const rates: Record<string, number[]> = {};
  for (let round = -1; round < size.rounds; round++) {
    for (const [name, { url, drain }] of Object.entries(subjects)) {
      // The official gateway with its check enabled answers about one push per second.
      const seconds = round < 0 ? size.warmUpSeconds : name === 'checked' ? Math.max(10, size.seconds) : size.seconds;
      const { perSecond } = await push({ url, groups: GROUPS, seconds, shape });
      await drain?.();
      if (round >= 0) (rates[name] ??= []).push(perSecond);
    }
  }
  const rate = (name: string): readonly number[] => rates[name] ?? [];
  const measured = (name: string, title: string): Measured => ({
    name: title,
    unit: 'pushes/s',
    spread: spread(rate(name)),
  });
  const ratio = (one: string, other: string): Spread => ratios(rate(one), rate(other));
  const what = 'accepted pushes, 10 series, 16 connections, 10,000 groups';
  const row = (id: string, by: string, theirs: string, title: string, target?: number): Figure => {
    const found = ratio(by, theirs);
    const sync = by === 'synced' ? 'disk (fsync before each answer)' : 'memory (fsync every second)';
    return {
      id: `push.${id}`,
      what: `${what}; durability ${sync}`,
      ours: measured(by, 'ours'),
      versus: measured(theirs, title),
      ratio: found,
      target: target === undefined ? '' : `≥ ${target.toLocaleString('en')}`,
      ...(target === undefined ? {} : { met: found.median >= target }),
    };
  };
  return [
    row('unchecked', 'ours', 'unchecked', 'official, its check disabled, nothing on disk', 1),
    row('checked', 'ours', 'checked', 'official, default settings', 1_000),
    row('bare', 'ours', 'bare', 'fastify + XADD', 0.8),
    row('pipelined', 'ours', 'pipelined', 'fastify + XADD, auto-pipelined', 0.8),
    row('synced-unchecked', 'synced', 'unchecked', 'official, its check disabled, nothing on disk'),
    row('synced-bare', 'synced', 'bareSynced', 'fastify + XADD, auto-pipelined, fsync too'),
  ];
};
