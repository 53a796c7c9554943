/** Compares the rates of accepted and applied pushes, with all three roles in one process. */
import { eventually } from '../../support/eventually.ts';
import { sampleSum } from '../../support/metrics-text.ts';
import { push } from '../load/wrk.ts';
import type { Figure } from '../report/results.ts';
import { ratios, spread } from '../report/spread.ts';
import { backlog, fillOurs, settled, startOurs, whenDrained } from '../subjects.ts';
import type { Section } from './section.ts';

const GROUPS = 10_000;

export const applySection: Section = async (size, shape) => {
  const ours = await startOurs();
  await fillOurs(ours, GROUPS, shape);
  const { gateway, redis } = ours;
  const accepted: number[] = [];
  const applied: number[] = [];
  const left: number[] = [];
  const drainMs: number[] = [];
  const visible: number[] = [];
  for (let round = -1; round < size.rounds; round++) {
    const seconds = round < 0 ? size.warmUpSeconds : 2 * size.seconds;
    const before = await settled(gateway);
    const startedMs = performance.now();
    const { perSecond, requests } = await push({ url: gateway.url, groups: GROUPS, seconds, shape });
    const [waiting, after, tookMs] = [await backlog(redis), await settled(gateway), performance.now() - startedMs];
    const stoppedMs = performance.now();
    await whenDrained(redis, 120_000);
    const drained = performance.now() - stoppedMs;
    await eventually(async () => (await settled(gateway)) - before >= requests, { timeoutMs: 10_000 });
    if (round < 0) continue;
    accepted.push(perSecond);
    applied.push((after - before) / (tookMs / 1_000));
    left.push(waiting / seconds / perSecond);
    drainMs.push(drained);
    const telemetry = await gateway.telemetry();
    const sum = sampleSum(telemetry, 'pushgateway_visible_latency_seconds_sum');
    visible.push((sum / sampleSum(telemetry, 'pushgateway_visible_latency_seconds_count')) * 1_000);
  }
  const ratio = ratios(applied, accepted);
  const rows: Figure[] = [
    {
      id: 'apply.rate',
      what: 'pushes applied while they are accepted as fast as possible, 10,000 groups',
      ours: { name: 'ours', unit: 'pushes/s', spread: spread(applied) },
      versus: { name: 'accepted', unit: 'pushes/s', spread: spread(accepted) },
      ratio,
      target: '≥ 0.8',
      met: ratio.median >= 0.8,
    },
    {
      id: 'apply.backlog',
      what: 'growth of the backlog during that, as a share of the accepted pushes',
      ours: { name: 'ours', unit: '', spread: spread(left) },
      target: 'flat (≤ 0.01)',
      met: spread(left).median <= 0.01,
    },
    {
      id: 'apply.drain',
      what: 'time until the log is empty after the last push',
      ours: { name: 'ours', unit: 'ms', spread: spread(drainMs) },
      target: '',
    },
    {
      id: 'apply.visible',
      what: 'mean time from append to snapshot since the start, for changed groups',
      ours: { name: 'ours', unit: 'ms', spread: spread(visible) },
      target: '',
    },
  ];
  return rows;
};
