import { describe, expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { startGateway, type Gateway } from '../../support/servers/gateway.ts';
import { stopwatch } from '../../support/process/machine-load.ts';
import { sampleLines, sampleValue } from '../../support/metrics-text.ts';
import { freePort } from '../../support/process/ports.ts';
import { startRedis } from '../../support/redis/server.ts';
import { applied } from '../../support/http/request.ts';
import { Watch } from '../../support/watch.ts';

// Redis starts late, hangs, dies and returns; the gateway survives it and reports it correctly.

describe('at the start', () => {
  test('it waits, logs the reason, and accepts pushes as soon as Redis is available', async () => {
    const port = await freePort();
    const gateway = await startGateway({ redis: { endpoint: `127.0.0.1:${port}` }, waitUntilReady: false });
    await gateway.process.waitForHttp(`${gateway.url}/-/healthy`);

    const ready = await gateway.request('/-/ready');
    expect(ready.status).toBe(503);
    expect(ready.text).toMatch(/^[^\n]*Redis has not answered yet[^\n]*\n$/);
    expect((await gateway.request('/-/healthy')).status).toBe(200);
    expect(await gateway.telemetry()).toMatch(/^pushgateway_redis_up 0$/m);
    // An empty answer would tell Prometheus that everything is gone.
    expect((await gateway.request('/metrics')).status).toBe(503);

    const pushes = [1, 2, 3].map(async (i) => gateway.push(`/metrics/job/early${i}`, `early ${i}\n`, applied));
    await gateway.process.waitForLine(/Redis does not answer.*ECONNREFUSED/);
    expect(gateway.process.exit).toBeUndefined();

    await startRedis({ port });
    await gateway.waitUntilReady();
    for (const answer of await Promise.all(pushes)) expect(answer, answer.text).toMatchObject({ status: 200 });
    expect(sampleLines(await gateway.scrape())).toHaveLength(3);
  });

  test('a push that waits too long is answered 503 with Retry-After, and leaves nothing behind', async () => {
    const port = await freePort();
    const args = ['--push.timeout=500ms'];
    const gateway = await startGateway({ redis: { endpoint: `127.0.0.1:${port}` }, args, waitUntilReady: false });
    await gateway.process.waitForHttp(`${gateway.url}/-/healthy`);
    const sentAt = performance.now();
    const took = stopwatch();
    for (const answer of [await gateway.push('/metrics/job/j', 'm 1\n'), await gateway.ingest('m 1\n')]) {
      expect(answer).toMatchObject({ status: 503, headers: { 'retry-after': '1' } });
      expect(answer.text).toMatch(/^[^\n]+\n$/);
    }
    expect(performance.now() - sentAt).toBeGreaterThan(1_000);
    expect(took()).toBeLessThan(2_000);

    await startRedis({ port });
    await gateway.waitUntilReady();
    expect((await gateway.push('/metrics/job/next', 'next 1\n', applied)).status).toBe(200);
    expect(sampleLines(await gateway.scrape())).toEqual(['next{instance="",job="next"} 1']);
  });

  test('a push that waits when the gateway is stopped is answered 503', async () => {
    const redis = { endpoint: `127.0.0.1:${await freePort()}` };
    const gateway = await startGateway({ redis, waitUntilReady: false });
    await gateway.process.waitForHttp(`${gateway.url}/-/healthy`);
    const held = [gateway.push('/metrics/job/j', 'm 1\n'), gateway.ingest('m 1\n')];
    await eventually(async () => (sampleValue(await gateway.telemetry(), 'pushgateway_inflight_bytes') ?? 0) > 0);
    expect(await gateway.stop()).toEqual({ code: 0, signal: null });
    for (const answer of await Promise.all(held)) expect(answer).toMatchObject({ status: 503 });
  });

  test.for(['all', 'ingest', 'worker', 'reader'] as const)('%s stops at once on SIGTERM', async (role) => {
    const redis = { endpoint: `127.0.0.1:${await freePort()}` };
    const gateway = await startGateway({ redis, role, waitUntilReady: false });
    await gateway.process.waitForHttp(`${gateway.url}/-/healthy`);
    const took = stopwatch();
    expect(await gateway.stop()).toEqual({ code: 0, signal: null });
    expect(took()).toBeLessThan(3_000);
  });
});

/** Number of pushes in flight while Redis is not reachable, each to its own group. */
function pushToMany(gateway: Gateway, name: string): Promise<number[]> {
  const all = Array.from({ length: 20 }, async (_, i) => {
    const options = { headers: { prefer: 'wait=20' } };
    return (await gateway.push(`/metrics/job/${name}${i}`, `${name} ${i}\n`, options)).status;
  });
  return Promise.all(all);
}

describe('while it runs', () => {
  test.for(['killed', 'stopped', 'hung'] as const)(
    '%s: held pushes are accepted later, the last exposition is still served',
    async (how) => {
      const redis = await startRedis();
      const gateway = await startGateway({ redis, args: ['--redis.timeout=1s'] });
      await gateway.push('/metrics/job/before', 'before 1\n', applied);
      const watch = new Watch(gateway.url);
      await eventually(() => watch.of('before{instance="",job="before"}') !== undefined);
      const scrape = await gateway.scrape();

      if (how === 'killed') await redis.kill();
      else if (how === 'stopped') await redis.stop();
      else redis.pause();
      const held = pushToMany(gateway, how);
      await eventually(async () => sampleValue(await gateway.telemetry(), 'pushgateway_redis_up') === 0, {
        timeoutMs: 10_000,
      });
      expect(await gateway.scrape()).toBe(scrape);
      const age = sampleValue(await gateway.telemetry(), 'pushgateway_snapshot_age_seconds') ?? 0;
      await eventually(async () => {
        return (sampleValue(await gateway.telemetry(), 'pushgateway_snapshot_age_seconds') ?? 0) > age;
      });
      const ready = await gateway.request('/-/ready');
      if (how !== 'hung') expect(ready.status).toBe(503);
      expect((await gateway.request('/-/healthy')).status).toBe(200);

      if (how === 'hung') redis.resume();
      else await redis.restart();
      expect(await held).toEqual(Array.from({ length: 20 }, () => 200));
      await gateway.waitUntilReady();
      const text = await gateway.scrape();
      for (let i = 0; i < 20; i++) expect(sampleValue(text, how, { job: `${how}${i}` })).toBe(i);
      await watch.stop();
      expect(watch.failures).toEqual([]);
      expect(watch.of('before{instance="",job="before"}')?.missingAt).toBeUndefined();
      expect(gateway.process.log().match(/level=error/g)).toBeNull();
      // Hints of ioredis for programmers are not logged.
      expect(gateway.process.log()).not.toMatch(/maxRetriesPerRequest|enableOfflineQueue/);
      if (how === 'killed')
        expect(gateway.process.log()).toMatch(/cannot merge pushes.*reason="no connection to Redis"/);
    },
  );

  test('a reader that starts while Redis is not reachable answers 503', async () => {
    const redis = await startRedis();
    const gateway = await startGateway({ redis });
    await gateway.push('/metrics/job/before', 'before 1\n', applied);
    await redis.kill();
    const reader = await startGateway({ redis, role: 'reader', waitUntilReady: false });
    await reader.process.waitForHttp(`${reader.url}/-/healthy`);
    expect((await reader.request('/metrics')).status).toBe(503);
    await redis.restart();
    await reader.waitUntilReady();
    expect(await reader.scrape()).toBe(await gateway.scrape());
  });
});

describe('on SIGTERM, waiting pushes are answered within half of --shutdown.grace', () => {
  test('pushes that wait for Redis: 503', async () => {
    const redis = await startRedis();
    const gateway = await startGateway({ redis, args: ['--shutdown.grace=6s'] });
    await redis.kill();
    const held = [gateway.push('/metrics/job/j', 'm 1\n'), gateway.ingest('m 1\n')];
    await eventually(async () => (sampleValue(await gateway.telemetry(), 'pushgateway_inflight_bytes') ?? 0) > 0);
    expect(await gateway.stop()).toEqual({ code: 0, signal: null });
    for (const answer of await Promise.all(held)) {
      expect(answer).toMatchObject({ status: 503, headers: { 'retry-after': '1' } });
    }
  });

  test('pushes that wait for a worker: 202, and the push is in the log', async () => {
    const redis = await startRedis();
    const ingest = await startGateway({ redis, role: 'ingest', args: ['--shutdown.grace=2s'] });
    const waiting = ingest.push('/metrics/job/j', 'm 1\n', { headers: { prefer: 'wait=600' } });
    await eventually(async () => sampleValue(await ingest.telemetry(), 'pushgateway_stream_length') === 1);
    expect(await ingest.stop()).toEqual({ code: 0, signal: null });
    expect((await waiting).status).toBe(202);
  });
});

test('after Redis lost all data, old groups are no longer shown, and new pushes are', async () => {
  const redis = await startRedis({ args: ['--appendonly', 'no'] });
  const gateway = await startGateway({ redis });
  await gateway.push('/metrics/job/lost', 'lost 1\n', applied);
  await redis.kill();
  await redis.restart();
  await eventually(async () => sampleLines(await gateway.scrape()).length === 0, { what: 'an empty scrape' });
  expect(await gateway.push('/metrics/job/new', 'new 1\n', applied)).toMatchObject({ status: 200 });
  expect(sampleLines(await gateway.scrape())).toEqual(['new{instance="",job="new"} 1']);
});
