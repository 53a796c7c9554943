import { expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { startGateway, type Gateway } from '../support/servers/gateway.ts';
import { sampleSum } from '../support/metrics-text.ts';
import { startRedis } from '../support/redis/server.ts';

// Housekeeping runs once in the fleet, and continues after failures of Redis.

const SWEEP_EVERY_MS = 5_000;
const runs = (telemetry: string) => sampleSum(telemetry, 'pushgateway_housekeeping_runs_total', { chore: 'sweep' });

test('two workers sweep as often as one, also after Redis lost all data', async () => {
  const redis = await startRedis({ args: ['--appendonly', 'no'] });
  const args = ['--redis.shards=2'];
  const workers: Gateway[] = [
    await startGateway({ redis, role: 'worker', args }),
    await startGateway({ redis, role: 'worker', args }),
  ];
  const sweeps = async (): Promise<number> => {
    const telemetry = await Promise.all(workers.map(async (worker) => worker.telemetry()));
    return telemetry.reduce((sum, text) => sum + runs(text), 0);
  };
  const until = async (count: number) =>
    eventually(async () => (await sweeps()) >= count, { timeoutMs: 30_000, intervalMs: 100, what: `sweep ${count}` });

  // The state after a group has expired in Redis: only its index entry remains.
  for (const shard of [0, 1]) await redis.cli('ZADD', `pgw:{${shard}}:groups`, '1', 'expired', '+inf', 'lives');
  await until(1);
  await until((await sweeps()) + 1);
  for (const shard of [0, 1])
    expect(await redis.cli('ZRANGE', `pgw:{${shard}}:groups`, '0', '-1'), `shard ${shard}`).toBe('lives');
  const startedAt = performance.now();
  const before = await sweeps();
  await until((await sweeps()) + 2);
  const most = Math.ceil((performance.now() - startedAt) / SWEEP_EVERY_MS) + 1;
  expect((await sweeps()) - before).toBeLessThanOrEqual(most);

  await redis.kill();
  await redis.restart();
  await until((await sweeps()) + 2);
  for (const worker of workers) expect(worker.process.log()).not.toContain('level=error');
});
