import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { readBooks, startBackend } from './harness/backend.ts';
import { check } from './harness/checker.ts';
import { startFleet } from './harness/fleet.ts';
import { circumstances, writePart } from './harness/report.ts';
import { Workload } from './harness/workload.ts';

// A steady load for SOAK_MINUTES (make soak): the memory of every process stays flat, and the log is empty at the end.

const minutes = Number(process.env['SOAK_MINUTES'] ?? 0);
const SAMPLE_MS = 5_000;
/** Time for caches to fill and heaps to reach their size. */
const WARM_UP = 0.25;
/**
 * Relative to the size at the start of the measured part. The slope is only reported: the young generation of V8 grows
 * in steps of 8 MiB up to its size, and in 20 minutes one step looks like a leak. A leak fails a longer run.
 */
const MAX_GROWTH = 0.15;

interface Track {
  readonly name: string;
  readonly read: () => Promise<number> | number;
  readonly samples: { atMs: number; bytes: number }[];
}

test('memory stays flat, and the log is empty', { timeout: (minutes + 5) * 60_000 }, async ({ skip }) => {
  skip(minutes === 0, 'takes long: make soak');
  const backend = await startBackend('single');
  const fleet = await startFleet(backend, 'split');
  const urls = (role: 'ingest' | 'reader') =>
    fleet.doing(role).map(({ name, gateway }) => ({ name, url: gateway.url }));
  const workload = new Workload(urls('ingest'), urls('reader'), { scrapeEveryMs: 1_000 });
  const [server] = backend.nodes;
  const tracks: Track[] = [
    ...fleet.members.map(({ name, gateway }) => ({ name, read: () => residentBytes(gateway.pid), samples: [] })),
    { name: 'Redis (resident)', read: () => residentBytes(server?.pid ?? 0), samples: [] },
    { name: 'Redis (used_memory)', read: async () => Number(await server?.info('used_memory')), samples: [] },
  ];
  workload.start();
  const endMs = Date.now() + minutes * 60_000;
  while (Date.now() < endMs) {
    for (const { read, samples } of tracks) samples.push({ atMs: Date.now(), bytes: await read() });
    await sleep(SAMPLE_MS);
  }
  await workload.stopPushing();
  await eventually(async () => (await readBooks(backend)).logged === 0, { timeoutMs: 10_000, what: 'an empty log' });
  const books = await readBooks(backend);
  const final = await eventually(async () => workload.observe());
  await workload.stop();
  const { pushes, flushes, observations, failedScrapes } = workload;
  const verdict = check({ history: { pushes, flushes }, observations, final, faultEndMs: endMs });
  const wrong = verdict.violations;
  const growth = tracks.map(judge);
  const others = pushes.filter(({ fate }) => fate !== 'ok');

  writePart(
    'soak',
    [
      '## A steady load',
      '',
      circumstances(`SOAK_MINUTES=${minutes} make soak`),
      'One server, split, disk.',
      '',
      `${pushes.length} pushes, ${pushes.length - others.length} acknowledged, ${wrong.length} wrong, ${observations.length} scrapes, ${failedScrapes.length} of them failed.`,
      `At the end: ${books.logged} in the log, ${books.deadLetters} dead letters; workers hold nothing.`,
      `Slope: least squares over the last ${Math.round((1 - WARM_UP) * 100)} % of the time.`,
      '',
      '| What | Samples | After the warm-up | At the end | Slope per hour |',
      '|---|---|---|---|---|',
      ...growth.map(
        ({ name, samples, from, to, perHour }) =>
          `| ${name} | ${samples} | ${mib(from)} | ${mib(to)} | ${mib(perHour)} (${percent(perHour / from)}) |`,
      ),
    ].join('\n'),
  );
  expect(wrong).toEqual([]);
  expect(failedScrapes).toEqual([]);
  expect(others).toEqual([]);
  expect(books).toEqual({ logged: 0, deadLetters: 0, settledTwice: [] });
  // A short run does not allow a slope.
  if (minutes >= 20) for (const { name, from, to } of growth) expect(to / from - 1, name).toBeLessThan(MAX_GROWTH);
});

function judge({ name, samples }: Track) {
  const kept = samples.slice(Math.floor(samples.length * WARM_UP));
  const mean = (of: (sample: Track['samples'][number]) => number): number =>
    kept.reduce((sum, sample) => sum + of(sample), 0) / kept.length;
  const [time, size] = [mean(({ atMs }) => atMs), mean(({ bytes }) => bytes)];
  const covariance = mean(({ atMs, bytes }) => (atMs - time) * (bytes - size));
  const slope = covariance / mean(({ atMs }) => (atMs - time) ** 2);
  return {
    name,
    samples: kept.length,
    from: kept[0]?.bytes ?? 0,
    to: kept.at(-1)?.bytes ?? 0,
    perHour: slope * 3_600_000,
  };
}

function residentBytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? NaN) * 1024;
}

function mib(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

function percent(part: number): string {
  return `${(part * 100).toFixed(1)} %`;
}
