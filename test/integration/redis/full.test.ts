import { describe, expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { startGateway, type Gateway } from '../../support/servers/gateway.ts';
import { stopwatch } from '../../support/process/machine-load.ts';
import { sampleSum, sampleValue, select } from '../../support/metrics-text.ts';
import { freePort } from '../../support/process/ports.ts';
import { startRedis, type RedisServer } from '../../support/redis/server.ts';
import { applied } from '../../support/http/request.ts';

// maxmemory is reached, with noeviction: pushes are refused, and no acknowledged push is lost.

const fill = async (redis: RedisServer) => redis.cli('CONFIG', 'SET', 'maxmemory', '1');
const free = async (redis: RedisServer) => redis.cli('CONFIG', 'SET', 'maxmemory', '0');

async function expectRefused(gateway: Gateway): Promise<void> {
  for (const answer of [
    await gateway.push('/metrics/job/refused', 'refused 1\n', applied),
    await gateway.push('/metrics/job/refused', 'refused 1\n', { method: 'POST' }),
    await gateway.ingest('refused 1\n'),
    await gateway.delete('/metrics/job/kept'),
  ]) {
    expect(answer).toMatchObject({ status: 503, headers: { 'retry-after': '1' } });
    expect(answer.text).toMatch(/^[^\n]*out of memory[^\n]*\n$/);
  }
}

/** The gateway reads the memory usage of Redis each second. */
async function expectTaken(gateway: Gateway): Promise<void> {
  await eventually(async () => (await gateway.push('/metrics/job/next', 'next 1\n', applied)).status === 200);
  expect(sampleValue(await gateway.scrape(), 'next')).toBe(1);
}

describe('while it runs', () => {
  test('pushes are answered 503 at once, scrapes continue, and the gateway recovers by itself', async () => {
    const redis = await startRedis();
    const gateway = await startGateway({ redis });
    await gateway.push('/metrics/job/kept', 'kept 1\n', applied);
    await fill(redis);
    const took = stopwatch();
    await expectRefused(gateway);
    expect(took()).toBeLessThan(2_000);
    expect(sampleValue(await gateway.scrape(), 'kept')).toBe(1);
    expect(await gateway.telemetry()).toMatch(/^pushgateway_redis_up 1$/m);

    await free(redis);
    await expectTaken(gateway);
    const text = await gateway.scrape();
    expect(sampleValue(text, 'kept')).toBe(1);
    expect(select(text, 'refused')).toEqual([]);
  });

  test('groups that expire disappear on time, and are swept once there is memory', async () => {
    const redis = await startRedis();
    const gateway = await startGateway({ redis });
    await gateway.push('/metrics/job/short?ttl=1s', 'short 1\n', applied);
    await fill(redis);
    await eventually(async () => select(await gateway.scrape(), 'short').length === 0);
    const runs = async () =>
      sampleSum(await gateway.telemetry(), 'pushgateway_housekeeping_runs_total', { chore: 'sweep' });
    await free(redis);
    const before = await runs();
    await eventually(async () => (await runs()) > before, { timeoutMs: 20_000, what: 'a sweep' });
    expect(await redis.cli('KEYS', 'pgw:{*}:groups')).toBe('');
  });
});

test('pushes that were acknowledged before are still merged', async () => {
  const redis = await startRedis();
  const ingest = await startGateway({ redis, role: 'ingest' });
  const reader = await startGateway({ redis, role: 'reader' });
  const worker = await startGateway({ redis, role: 'worker' });
  await ingest.push('/metrics/job/first', 'first 1\n', applied);
  worker.process.signal('SIGSTOP');
  const statuses = Array.from({ length: 100 }, async (_, i) => {
    return (await ingest.push(`/metrics/job/logged${i}`, `logged ${i}\n# padding: ${'x'.repeat(2_000)}\n`)).status;
  });
  expect(new Set(await Promise.all(statuses))).toEqual(new Set([202]));
  await fill(redis);
  worker.process.signal('SIGCONT');
  await eventually(async () => select(await reader.scrape(), 'logged').length === 100, { what: 'all pushes' });
  const values = select(await reader.scrape(), 'logged').map(({ value }) => value);
  expect(values.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i));
  await eventually(async () => sampleValue(await reader.telemetry(), 'pushgateway_stream_length') === 0);
});

test('a gateway that starts now serves the stored groups, drains the log, and accepts pushes once there is memory', async () => {
  const redis = await startRedis();
  const gateway = await startGateway({ redis, port: await freePort() });
  await gateway.push('/metrics/job/kept', 'kept 1\n', applied);
  await gateway.stop();
  const ingest = await startGateway({ redis, role: 'ingest' });
  expect((await ingest.push('/metrics/job/logged', 'logged 1\n')).status).toBe(202);
  await fill(redis);

  await gateway.restart();
  await eventually(async () => select(await gateway.scrape(), 'logged').length === 1);
  expect(sampleValue(await gateway.scrape(), 'kept')).toBe(1);
  await expectRefused(gateway);
  await free(redis);
  await expectTaken(gateway);
});
