import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { startGateway, type Gateway } from '../../support/servers/gateway.ts';
import { cpuWaits } from '../../support/process/machine-load.ts';
import { sampleLines, sampleValue } from '../../support/metrics-text.ts';
import { startRedis, type RedisServer } from '../../support/redis/server.ts';
import { applied, type RequestOptions } from '../../support/http/request.ts';
import { temporaryFolder } from '../../support/process/temporary.ts';
import { Watch } from '../../support/watch.ts';

// With --redis.expiration=2s, groups disappear from every scrape between 2 s and 3 s after the last push, not earlier.

const LATE_MS = 1_000;
let redis: RedisServer;
let gateway: Gateway;
let watch: Watch;

beforeAll(async () => {
  redis = await startRedis();
  const configFile = join(temporaryFolder(), 'pushgw.yml');
  writeFileSync(configFile, 'ttl_rules: [{ job: "ci-.*", ttl: 1s }, { job: "kept", ttl: "0" }]\n');
  gateway = await startGateway({ redis, args: ['--redis.expiration=2s', `--config.file=${configFile}`] });
  watch = new Watch(gateway.url);
});

interface Pushed {
  readonly sentAt: number;
  readonly answeredAt: number;
  /** Time since the push was sent; see cpuWaits. */
  readonly waited: () => number;
}

async function push(path: string, body: string, options: RequestOptions = {}): Promise<Pushed> {
  const waited = cpuWaits();
  const sentAt = performance.now();
  const { headers, ...others } = options;
  const answer = await gateway.push(path, body, { ...others, headers: { ...applied.headers, ...headers } });
  expect(answer, answer.text).toMatchObject({ status: 200 });
  return { sentAt, answeredAt: performance.now(), waited };
}

/** Waits until the series has appeared and disappeared. Checks that this was `ttlMs` after the push, and permanent. */
async function expectToLive(
  series: string,
  ttlMs: number,
  { sentAt, answeredAt, waited }: Pushed,
  on = watch,
): Promise<void> {
  await eventually(() => on.of(series) !== undefined, { what: `sight of ${series}` });
  await eventually(() => on.of(series)?.missingAt !== undefined, {
    timeoutMs: ttlMs + 5_000,
    what: `the end of ${series}`,
  });
  const sighting = on.of(series);
  expect((sighting?.missingAt ?? 0) - sentAt, `${series} too early`).toBeGreaterThanOrEqual(ttlMs);
  const lateMs = (sighting?.lastAskedAt ?? Infinity) - answeredAt - ttlMs;
  expect(lateMs - waited(), `${series} too late`).toBeLessThan(LATE_MS);
  expect(sighting?.returns).toBe(0);
}

const pushTime = (job: string) => `push_time_seconds{instance="",job="${job}"}`;

describe.concurrent('lifetimes', () => {
  test('groups that were pushed once, at different phases of the expiry timer', async () => {
    await Promise.all(
      Array.from({ length: 12 }, async (_, i) => {
        await sleep(i * 83);
        const pushed = await push(`/metrics/job/once${i}`, 'once 1\n');
        await expectToLive(`once{instance="",job="once${i}"}`, 2_000, pushed);
        expect(watch.of(pushTime(`once${i}`))?.missingAt).toBe(watch.of(`once{instance="",job="once${i}"}`)?.missingAt);
      }),
    );
  });

  test('a push without Prefer: wait', async () => {
    const waited = cpuWaits();
    const sentAt = performance.now();
    expect((await gateway.push('/metrics/job/quick', 'quick 1\n')).status).toBe(202);
    await expectToLive('quick{instance="",job="quick"}', 2_000, { sentAt, answeredAt: performance.now(), waited });
  });

  test.for(['PUT', 'POST'])('a second %s renews the group', async (method) => {
    const path = `/metrics/job/renewed-${method}`;
    await push(path, 'renewed 1\n');
    await sleep(500);
    const last = await push(path, 'renewed 2\n', { method });
    await expectToLive(`renewed{instance="",job="renewed-${method}"}`, 2_000, last);
  });

  test('a POST of one family renews this family and keeps the group', async () => {
    const first = await push('/metrics/job/half', 'half_a 1\nhalf_b 1\n');
    await sleep(300);
    const last = await push('/metrics/job/half', 'half_b 2\n', { method: 'POST' });
    await expectToLive('half_a{instance="",job="half"}', 2_000, first);
    await expectToLive('half_b{instance="",job="half"}', 2_000, last);
    await expectToLive(pushTime('half'), 2_000, last);
  });

  test('each series of /ingest expires separately', async () => {
    const first = await push('/ingest', 'series{a="1"} 1\nseries{a="2"} 1\n', { method: 'POST' });
    await sleep(300);
    const last = await push('/ingest', 'series{a="2"} 2\n', { method: 'POST' });
    await expectToLive('series{a="1"}', 2_000, first);
    await expectToLive('series{a="2"}', 2_000, last);
  });

  test('a push after the expiry starts a new group without old families', async () => {
    const first = await push('/metrics/job/again', 'again_a 1\n', { method: 'POST' });
    expect((await gateway.push('/metrics/job/again', 'bad 1 1\n')).status).toBe(400); // a failure time
    await expectToLive('again_a{instance="",job="again"}', 2_000, first);
    await push('/metrics/job/again', 'again_b 1\n', { method: 'POST' });
    const text = await gateway.scrape();
    expect(sampleLines(text).filter((line) => line.includes('job="again"'))).toEqual([
      'again_b{instance="",job="again"} 1',
    ]);
    expect(sampleValue(text, 'push_failure_time_seconds', { job: 'again' })).toBe(0);
  });

  test.for([
    ['from the query', '?ttl=1s', {}],
    ['from the header', '', { 'pushgateway-ttl': '1000ms' }],
    ['from both: the query takes precedence', '?ttl=1s', { 'pushgateway-ttl': '1h' }],
  ] as const)('a TTL %s', async ([what, query, headers]) => {
    const job = what.replaceAll(/\W/g, '-');
    const pushed = await push(`/metrics/job/${job}${query}`, 'asked 1\n', { headers });
    await expectToLive(`asked{instance="",job="${job}"}`, 1_000, pushed);
  });

  test('a TTL from a rule for the job', async () => {
    await expectToLive('ruled{instance="",job="ci-1"}', 1_000, await push('/metrics/job/ci-1', 'ruled 1\n'));
  });

  test('a TTL for one family: the group lives until its last family expires', async () => {
    const long = await push('/metrics/job/mixed?ttl=3s', 'mixed_long 1\n');
    const short = await push('/metrics/job/mixed?ttl=1s', 'mixed_short 1\n', { method: 'POST' });
    await expectToLive('mixed_short{instance="",job="mixed"}', 1_000, short);
    await expectToLive('mixed_long{instance="",job="mixed"}', 3_000, long);
    await expectToLive(pushTime('mixed'), 3_000, long);
  });

  test('a TTL shorter than before: the last push counts', async () => {
    await push('/metrics/job/shortened?ttl=1h', 'shortened 1\n');
    const last = await push('/metrics/job/shortened?ttl=1s', 'shortened 2\n', { method: 'POST' });
    await expectToLive('shortened{instance="",job="shortened"}', 1_000, last);
    await expectToLive(pushTime('shortened'), 1_000, last);
  });

  test.for(['PUT', 'POST'])('a TTL longer than before: the last push counts, %s', async (method) => {
    const path = `/metrics/job/longer-${method}`;
    await push(`${path}?ttl=1s`, 'longer 1\n');
    const last = await push(`${path}?ttl=2s`, 'longer 2\n', { method });
    await expectToLive(`longer{instance="",job="longer-${method}"}`, 2_000, last);
  });
});

describe('0 never expires', () => {
  test('not in the snapshot, not in Redis', async () => {
    await push('/metrics/job/kept', 'kept 1\n');
    await push('/metrics/job/kept-once?ttl=0', 'kept 1\n');
    const text = await gateway.scrape();
    expect(sampleLines(text).filter((line) => line.startsWith('kept'))).toHaveLength(2);
    const lives = await Promise.all((await groupKeys(redis)).map(async (key) => redis.cli('PTTL', key)));
    expect(lives.filter((pttl) => pttl === '-1')).toHaveLength(2);
    expect((await indexed(redis)).filter(([, deadline]) => deadline === 'inf')).toHaveLength(2);
  });

  test('a later push with a TTL makes it expire', async () => {
    const last = await push('/metrics/job/kept-once?ttl=1s', 'kept 2\n', { method: 'POST' });
    await expectToLive('kept{instance="",job="kept-once"}', 1_000, last);
  });

  test('with --redis.expiration=0', async () => {
    const own = await startRedis();
    const never = await startGateway({ redis: own, args: ['--redis.expiration=0'] });
    expect((await never.push('/metrics/job/j', 'm 1\n', applied)).status).toBe(200);
    const [key = ''] = await groupKeys(own);
    expect(await own.cli('PTTL', key)).toBe('-1');
    expect(await indexed(own)).toEqual([[key.split(':').at(-1), 'inf']]);
  });
});

describe('Redis', () => {
  test('expired groups are removed: hashes by their own expiry, the index by the sweep', async () => {
    await eventually(
      async () => {
        const left = { keys: (await groupKeys(redis)).length, index: (await indexed(redis)).length };
        expect(left).toEqual({ keys: 1, index: 1 }); // the kept one
      },
      { timeoutMs: 10_000, what: 'a sweep' },
    );
    expect(await gateway.telemetry()).toMatch(/^pushgateway_housekeeping_runs_total\{chore="sweep"\} [1-9]/m);
  });

  test('a reader that lost its connection still drops expired groups on time', async () => {
    const own = await startRedis();
    const alone = await startGateway({ redis: own, args: ['--redis.expiration=2s'] });
    const onAlone = new Watch(alone.url);
    const waited = cpuWaits();
    const sentAt = performance.now();
    expect((await alone.push('/metrics/job/orphan', 'orphan 1\n', applied)).status).toBe(200);
    const answeredAt = performance.now();
    await own.kill();
    await expectToLive('orphan{instance="",job="orphan"}', 2_000, { sentAt, answeredAt, waited }, onAlone);
    expect(onAlone.failures).toEqual([]);
  });
});

test('a TTL starts with the arrival of the push, even if it is merged late', async () => {
  const own = await startRedis();
  const ingest = await startGateway({ redis: own, role: 'ingest' });
  const reader = await startGateway({ redis: own, role: 'reader' });
  await ingest.push('/metrics/job/late?ttl=300ms', 'late 1\n');
  const arrivedBy = performance.now();
  await ingest.push('/metrics/job/later?ttl=1h', 'later 1\n');
  const onReader = new Watch(reader.url);
  await sleep(arrivedBy + 300 - performance.now());
  await startGateway({ redis: own, role: 'worker' });
  await eventually(() => onReader.of('later{instance="",job="later"}') !== undefined, { what: 'the later push' });
  await eventually(async () => (await own.cli('XLEN', 'pgw:{0}:pushes')) === '0');
  expect(onReader.of('late{instance="",job="late"}')).toBeUndefined();
});

async function groupKeys(of: RedisServer): Promise<string[]> {
  return lines(await of.cli('KEYS', 'pgw:{*}:group:*'));
}

/** Group ID and deadline of every index entry, over all shards. */
async function indexed(of: RedisServer): Promise<[string, string][]> {
  const found: [string, string][] = [];
  for (const key of lines(await of.cli('KEYS', 'pgw:{*}:groups'))) {
    const flat = lines(await of.cli('ZRANGE', key, '0', '-1', 'WITHSCORES'));
    for (let i = 0; i + 1 < flat.length; i += 2) found.push([flat[i] ?? '', flat[i + 1] ?? '']);
  }
  return found;
}

function lines(reply: string): string[] {
  return reply.split('\n').filter((line) => line !== '');
}
