import { globalAgent as httpAgent } from 'node:http';
import { globalAgent as httpsAgent } from 'node:https';
import { Counter, Gauge, Histogram, Pushgateway, Registry, Summary } from 'prom-client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectJob, linesOf, NOTHING } from '../../clients/job-state.ts';
import { startSecuredGateway } from '../../clients/secured-gateway.ts';
import { eventually } from '../../support/eventually.ts';
import { startGateway, type Gateway } from '../../support/servers/gateway.ts';
import { sampleValue } from '../../support/metrics-text.ts';

// prom-client with the default agents of Node, which keep connections open.

let gateway: Gateway;

beforeAll(async () => {
  gateway = await startGateway();
});

afterAll(() => {
  httpAgent.destroy();
  httpsAgent.destroy();
});

function registryWith(gauges: Record<string, number>): Registry {
  const registry = new Registry();
  for (const [name, value] of Object.entries(gauges)) {
    new Gauge({ name, help: `The gauge ${name}.`, registers: [registry] }).set(value);
  }
  return registry;
}

const client = (
  gauges: Record<string, number> = {},
  options = {},
): Pushgateway<'text/plain; version=0.0.4; charset=utf-8'> =>
  new Pushgateway(gateway.url, options, registryWith(gauges));

test('push replaces, pushAdd adds, delete deletes', async () => {
  const jobName = 'verbs';
  const groups = [{ job: jobName }];
  await client({ a: 1, b: 1 }).push({ jobName });
  await expectJob(gateway, jobName, {
    lines: ['a{instance="",job="verbs"} 1', 'b{instance="",job="verbs"} 1'],
    groups,
  });
  await client({ b: 2 }).pushAdd({ jobName });
  await expectJob(gateway, jobName, {
    lines: ['a{instance="",job="verbs"} 1', 'b{instance="",job="verbs"} 2'],
    groups,
  });
  await client({ b: 3 }).push({ jobName });
  await expectJob(gateway, jobName, { lines: ['b{instance="",job="verbs"} 3'], groups });
  await client().delete({ jobName });
  await expectJob(gateway, jobName, NOTHING);
});

test('deleting a group twice, or one that never existed, succeeds', async () => {
  await client().delete({ jobName: 'never' });
  await client().delete({ jobName: 'never', groupings: { a: 'b' } });
});

describe('groupings', () => {
  test.each([
    ['several', { instance: 'db-1', zone: 'eu' }, 'g{instance="db-1",job="J",zone="eu"} 1'],
    ['a space, a plus, a percent sign', { a: 'x y+z 100%' }, 'g{a="x y+z 100%",instance="",job="J"} 1'],
    ['quotes, a backslash', { a: '"\\' }, 'g{a="\\"\\\\",instance="",job="J"} 1'],
    ['UTF-8', { a: 'Zürich 🚀' }, 'g{a="Zürich 🚀",instance="",job="J"} 1'],
    ['? and #', { a: '?x=1#y' }, 'g{a="?x=1#y",instance="",job="J"} 1'],
    ['an empty value at the end', { a: '' }, 'g{a="",instance="",job="J"} 1'],
  ] as [string, Record<string, string>, string][])('%s', async (name, groupings, line) => {
    const jobName = `groupings: ${name}`;
    await client({ g: 1 }).push({ jobName, groupings });
    const lines = [line.replace('"J"', `"${jobName}"`)];
    await expectJob(gateway, jobName, { lines, groups: [{ job: jobName, ...groupings }] });
    await client().delete({ jobName, groupings });
    await expectJob(gateway, jobName, NOTHING);
  });

  test('delete leaves the other groups of the job alone', async () => {
    const jobName = 'siblings';
    const [first, second] = [{ instance: '1' }, { instance: '2' }];
    await client({ g: 1 }).push({ jobName, groupings: first });
    await client({ g: 2 }).push({ jobName, groupings: second });
    await client().delete({ jobName, groupings: first });
    const lines = ['g{instance="2",job="siblings"} 2'];
    await expectJob(gateway, jobName, { lines, groups: [{ job: jobName, ...second }] });
  });

  // The client encodes "/" as %2F, which splits the path, as with the official gateway.
  test.each([
    ['job', { jobName: 'a/b' }],
    ['value', { jobName: 'slash', groupings: { a: 'b/c' } }],
  ])('a slash in a %s is refused', async (_, parameters) => {
    await expect(client({ g: 1 }).push(parameters)).rejects.toThrow(/^push failed with status 400, .*odd number/);
  });
});

describe('pushed metrics', () => {
  const registry = new Registry();
  const registers = [registry];
  new Counter({ name: 'node_requests_total', help: 'A counter\nin "two" lines.', labelNames: ['path'], registers }).inc(
    { path: '/a "b"\\c\n' },
    3,
  );
  new Summary({ name: 'node_size_bytes', help: 'A summary.', percentiles: [0.5], registers }).observe(7);
  const histogram = new Histogram({ name: 'node_seconds', help: 'A histogram.', buckets: [0.1, 1], registers });
  for (const seconds of [0.05, 0.5, 5]) histogram.observe(seconds);

  const expected = [
    'node_requests_total{instance="",job="J",path="/a \\"b\\"\\\\c\\n"} 3',
    'node_seconds_bucket{instance="",job="J",le="+Inf"} 3',
    'node_seconds_bucket{instance="",job="J",le="0.1"} 1',
    'node_seconds_bucket{instance="",job="J",le="1"} 2',
    'node_seconds_count{instance="",job="J"} 3',
    'node_seconds_sum{instance="",job="J"} 5.55',
    'node_size_bytes_count{instance="",job="J"} 1',
    'node_size_bytes_sum{instance="",job="J"} 7',
    'node_size_bytes{instance="",job="J",quantile="0.5"} 7',
  ];

  test.each([
    ['plain', {}],
    ['gzip', { headers: { 'Content-Encoding': 'gzip' } }],
  ])('arrive, %s', async (jobName, options) => {
    const pusher = new Pushgateway(gateway.url, options, registry);
    await pusher.push({ jobName });
    const lines = expected.map((line) => line.replace('"J"', `"${jobName}"`)).toSorted();
    await expectJob(gateway, jobName, { lines, groups: [{ job: jobName }] });
    const text = await gateway.scrape();
    expect(text).toContain(
      '# HELP node_requests_total A counter\\nin "two" lines.\n# TYPE node_requests_total counter',
    );
    await pusher.delete({ jobName });
    await expectJob(gateway, jobName, NOTHING);
  });

  test('are refused as a whole if they are inconsistent, with an error', async () => {
    await client({ taken: 1 }).push({ jobName: 'first' });
    const other = new Registry();
    new Counter({ name: 'taken', help: 'Not a gauge.', registers: [other] }).inc();
    new Gauge({ name: 'innocent', help: 'A gauge.', registers: [other] }).inc();
    const pusher = new Pushgateway(gateway.url, {}, other);
    await expect(pusher.push({ jobName: 'second' })).rejects.toThrow(
      /^push failed with status 400, pushed metrics are invalid or inconsistent with existing metrics: .*taken/,
    );
    const failedAt = await eventually(async () => {
      return sampleValue(await gateway.scrape(), 'push_failure_time_seconds', { job: 'second' }) ?? false;
    });
    expect(failedAt).toBeGreaterThan(Date.now() / 1000 - 60);
    expect(await linesOf(gateway, 'second')).toEqual([]);
    await client().delete({ jobName: 'first' });
    await eventually(async () => (await linesOf(gateway, 'first')).length === 0);
    await pusher.push({ jobName: 'second' });
  });
});

test('TLS and basic authentication', async () => {
  const secured = await startSecuredGateway();
  const { user, password, certificate: ca } = secured;
  const jobName = 'secured';
  const pusherAs = (auth: string) => new Pushgateway(secured.url, { auth, ca }, registryWith({ g: 1 }));
  await expect(pusherAs(`${user}:wrong`).push({ jobName })).rejects.toThrow('push failed with status 401');
  await expectJob(secured, jobName, NOTHING);
  const pusher = pusherAs(`${user}:${password}`);
  await pusher.push({ jobName });
  await expectJob(secured, jobName, { lines: ['g{instance="",job="secured"} 1'], groups: [{ job: jobName }] });
  await pusher.delete({ jobName });
  await expectJob(secured, jobName, NOTHING);
});
