/** Time from a push until a scrape shows it: 200 evenly spaced pushes per second, 10,000 groups. */
import { setTimeout as delay } from 'node:timers/promises';
import { keepAlive, request } from '../../support/http/request.ts';
import { sampleValue } from '../../support/metrics-text.ts';
import { groupPath, pushBody } from '../load/workload.ts';
import type { Figure } from '../report/results.ts';
import { quantile, spread } from '../report/spread.ts';
import { fillOurs, startOurs } from '../subjects.ts';
import type { Section } from './section.ts';

const GROUPS = 10_000;
const RATE = 200;

export const visibleSection: Section = async (size, shape) => {
  const ours = await startOurs();
  await fillOurs(ours, GROUPS, shape);
  const agent = keepAlive(64);

  /** The answer is 200 once the push is merged and in the snapshot, so that a scrape that begins now shows it. */
  const pushAndWait = async (n: number): Promise<number> => {
    const path = `/metrics${groupPath((n * 7_919) % GROUPS)}`;
    const startedMs = performance.now();
    const answer = await request(ours.gateway.url, path, {
      method: 'PUT',
      body: pushBody(shape, n),
      headers: { prefer: 'wait=10', 'content-type': 'text/plain' },
      agent,
    });
    if (answer.status !== 200) throw new Error(`a push was answered ${answer.status}`);
    return performance.now() - startedMs;
  };
  /** Verifies the claim above. */
  const proveVisible = async (n: number): Promise<void> => {
    const group = GROUPS + n;
    const body = `bench_probe ${n}\n`;
    const options = { method: 'PUT', body, headers: { prefer: 'wait=10' } };
    const { status } = await request(ours.gateway.url, `/metrics${groupPath(group)}`, options);
    const shown = sampleValue(probeLines(await ours.gateway.scrape()), 'bench_probe', { instance: `host-${group}` });
    if (status !== 200 || shown !== n) throw new Error(`a push answered ${status} is not in the next scrape`);
  };

  const p50: number[] = [];
  const p99: number[] = [];
  let n = 0;
  for (let round = -1; round < size.rounds; round++) {
    const latencies: Promise<number>[] = [];
    const startedMs = performance.now();
    const total = RATE * Math.max(5, round < 0 ? size.warmUpSeconds : size.seconds);
    for (let i = 0; i < total; i++) {
      const waitMs = startedMs + (i * 1_000) / RATE - performance.now();
      if (waitMs > 0) await delay(waitMs);
      latencies.push(pushAndWait(n++));
    }
    const sorted = (await Promise.all(latencies)).toSorted((a, b) => a - b);
    await proveVisible(round + 2);
    if (round < 0) continue;
    p50.push(quantile(sorted, 0.5));
    p99.push(quantile(sorted, 0.99));
  }
  agent.destroy();
  const what = `time from a push until a scrape shows it, ${RATE} pushes/s, 10,000 groups`;
  const row = (id: string, values: readonly number[], limitMs: number): Figure => ({
    id: `visible.${id}`,
    what: `${what}: ${id}`,
    ours: { name: 'ours', unit: 'ms', spread: spread(values) },
    target: `≤ ${limitMs} ms`,
    met: spread(values).median <= limitMs,
  });
  return [row('p50', p50, 10), row('p99', p99, 100)];
};

function probeLines(text: string): string {
  return text
    .split('\n')
    .filter((line) => line.startsWith('bench_probe'))
    .join('\n');
}
