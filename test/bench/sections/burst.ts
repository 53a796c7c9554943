/** A burst without a worker: 50,000 pushes as fast as possible, then one worker starts. */
import { eventually } from '../../support/eventually.ts';
import { startRedis } from '../../support/redis/server.ts';
import { fill } from '../load/fill.ts';
import { spread } from '../report/spread.ts';
import { backlog, settled, startOn } from '../subjects.ts';
import type { Section } from './section.ts';

const PUSHES = 50_000;
/** Number of merged pushes after which the clock starts, to exclude the start of the process. */
const FIRST = 1_000;

export const burstSection: Section = async (size, shape) => {
  const drainRate: number[] = [];
  const acceptRate: number[] = [];
  const readyS: number[] = [];
  for (let round = 0; round < Math.min(3, size.rounds); round++) {
    const redis = await startRedis({ args: ['--appendfsync', 'everysec'] });
    const ingest = await startOn(redis, 'ingest');
    // Throws unless every push is acknowledged. Each group is pushed twice.
    let seconds = 0;
    for (let half = 0; half < 2; half++) seconds += await fill({ url: ingest.url, to: PUSHES / 2, shape });
    acceptRate.push(PUSHES / seconds);
    await ingest.stop();
    const waiting = await backlog(redis);
    if (waiting !== PUSHES) throw new Error(`${waiting} of ${PUSHES} pushes are in the log`);

    const startedMs = performance.now();
    const worker = await startOn(redis, 'worker', 'everysec', { waitUntilReady: false });
    let from: { ms: number; left: number } | undefined;
    await eventually(
      async () => {
        const left = await backlog(redis);
        if (from === undefined && left <= PUSHES - FIRST) from = { ms: performance.now(), left };
        return left === 0;
      },
      { timeoutMs: 300_000, intervalMs: 20, what: 'an empty log' },
    );
    const endedMs = performance.now();
    const begun = from ?? { ms: startedMs, left: PUSHES };
    drainRate.push(begun.left / ((endedMs - begun.ms) / 1_000));
    readyS.push((begun.ms - startedMs) / 1_000);
    const done = await settled(worker);
    if (done !== PUSHES) throw new Error(`${done} of ${PUSHES} pushes were applied`);
    await worker.stop();
    await redis.stop();
  }
  const rate = spread(drainRate);
  return [
    {
      id: 'burst.drain',
      what: 'burst of 50,000 pushes without a worker (all acknowledged, all applied): drained by one worker process',
      ours: { name: 'ours', unit: 'pushes/s', spread: rate },
      target: '≥ 5,000',
      met: rate.median >= 5_000,
    },
    {
      id: 'burst.accept',
      what: 'accepted by the ingest role, pipelined on 16 connections',
      ours: { name: 'ours', unit: 'pushes/s', spread: spread(acceptRate) },
      target: '',
    },
    {
      id: 'burst.start',
      what: 'time from the start of the worker process to its first merges',
      ours: { name: 'ours', unit: 's', spread: spread(readyS) },
      target: '',
    },
  ];
};
