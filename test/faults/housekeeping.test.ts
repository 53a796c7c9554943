import { expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import { sampleSum } from '../support/metrics-text.ts';
import { startRedis } from '../support/redis.ts';

// The chores are done once in the fleet, and go on whatever happens to Redis.

const SWEEP_EVERY_MS = 5_000;
const runs = (telemetry: string) => sampleSum(telemetry, 'pushgateway_housekeeping_runs_total', { chore: 'sweep' });

test('two workers sweep as often as one; also after Redis lost everything', async () => {
  const redis = await startRedis({ args: ['--appendonly', 'no'] });
  const workers: Gateway[] = [
    await startGateway({ redis, role: 'worker' }),
    await startGateway({ redis, role: 'worker' }),
  ];
  const sweeps = async (): Promise<number> => {
    const telemetry = await Promise.all(workers.map(async (worker) => worker.telemetry()));
    return telemetry.reduce((sum, text) => sum + runs(text), 0);
  };
  const until = async (count: number) =>
    eventually(async () => (await sweeps()) >= count, { timeoutMs: 30_000, intervalMs: 100, what: `sweep ${count}` });

  await until(1);
  const startedAt = performance.now();
  await until(3);
  const most = 1 + Math.ceil((performance.now() - startedAt) / SWEEP_EVERY_MS) + 1;
  expect(await sweeps()).toBeLessThanOrEqual(most);

  await redis.kill();
  await redis.restart();
  await until((await sweeps()) + 2);
  for (const worker of workers) expect(worker.process.log()).not.toContain('level=error');
});
