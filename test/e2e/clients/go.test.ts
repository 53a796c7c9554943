import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { expectJob, linesOf, NOTHING } from '../../clients/job-state.ts';
import { startSecuredGateway } from '../../clients/secured-gateway.ts';
import { eventually } from '../../support/eventually.ts';
import { startGateway, type Gateway } from '../../support/servers/gateway.ts';
import { familyTypes, sampleValue } from '../../support/metrics-text.ts';
import { projectFolder } from '../../support/project.ts';
import { run, type Outcome } from '../../support/process/run.ts';
import { temporaryFolder } from '../../support/process/temporary.ts';
import { findTool } from '../../support/process/tools.ts';

// The push package of client_golang, which accepts only 202 for a DELETE; the program is test/clients/go/main.go.

let gateway: Gateway;
let client = '';
let missing: string | undefined;

beforeAll(async () => {
  missing = await buildClient();
  if (missing === undefined) gateway = await startGateway();
}, 300_000);

beforeEach(({ skip }) => {
  skip(missing !== undefined, missing);
});

/** Compiles the program; fast from the second time on because of the Go cache. Returns why that is not possible. */
async function buildClient(): Promise<string | undefined> {
  if (findTool('go') === undefined) return 'Go is not installed';
  client = join(temporaryFolder(), 'client');
  const cwd = join(projectFolder, 'test/clients/go');
  const { code, output } = await run('go', ['build', '-o', client, '.'], { cwd, timeoutMs: 280_000 });
  if (code === 0) return undefined;
  if (/invalid go version|requires go >=|toolchain/.test(output)) return 'Go is too old for test/clients/go';
  if (/dial tcp|i\/o timeout|module lookup disabled|reading http/.test(output)) {
    return 'the Go modules of test/clients/go cannot be downloaded';
  }
  throw new Error(`the client does not build: ${output}`);
}

interface Call {
  readonly address?: string;
  readonly job?: string;
  readonly gauges?: Record<string, number>;
  readonly grouping?: Record<string, string>;
  readonly flags?: readonly string[];
  readonly env?: Record<string, string>;
}

const pairs = (values: Record<string, string | number>) =>
  Object.entries(values).map(([name, value]) => `${name}=${value}`);

async function attempt(action: string, call: Call = {}): Promise<Outcome> {
  const { address = `127.0.0.1:${gateway.port}`, job = 'go', gauges = {}, grouping = {}, flags = [], env = {} } = call;
  const groupingFlags = pairs(grouping).map((pair) => `-grouping=${pair}`);
  const args = [...flags, ...groupingFlags, action, address, job, ...pairs(gauges)];
  return await run(client, args, { env: { ...process.env, ...env } });
}

async function go(action: string, call?: Call): Promise<void> {
  expect(await attempt(action, call)).toMatchObject({ code: 0, output: '' });
}

describe.each([
  ['protobuf', []],
  ['text', ['-text']],
])('%s', (format, flags) => {
  test('Push replaces, Add adds, Delete deletes', async () => {
    const groups = [{ job: 'go' }];
    await go('push', { gauges: { a: 1, b: 1 }, flags });
    await expectJob(gateway, 'go', { lines: ['a{instance="",job="go"} 1', 'b{instance="",job="go"} 1'], groups });
    await go('add', { gauges: { b: 2 }, flags, address: `${gateway.url}/` });
    await expectJob(gateway, 'go', { lines: ['a{instance="",job="go"} 1', 'b{instance="",job="go"} 2'], groups });
    await go('push', { gauges: { b: 3 }, flags });
    await expectJob(gateway, 'go', { lines: ['b{instance="",job="go"} 3'], groups });
    await go('delete');
    await expectJob(gateway, 'go', NOTHING);
    await go('delete');
  });

  test('the metrics of a Gatherer arrive', async () => {
    const job = `types-${format}`;
    await go('push', { job, flags: [...flags, '-types'], grouping: { instance: 'i' }, gauges: { go_gauge: 1.5 } });
    const lines = [
      'go_duration_seconds_bucket{instance="i",job="J",le="+Inf"} 3',
      'go_duration_seconds_bucket{instance="i",job="J",le="0.1"} 1',
      'go_duration_seconds_bucket{instance="i",job="J",le="1"} 2',
      'go_duration_seconds_count{instance="i",job="J"} 3',
      'go_duration_seconds_sum{instance="i",job="J"} 5.55',
      'go_gauge{instance="i",job="J"} 1.5',
      'go_requests_total{instance="i",job="J",path="/a \\"b\\"\\\\c\\n"} 3',
      'go_size_bytes_count{instance="i",job="J"} 1',
      'go_size_bytes_sum{instance="i",job="J"} 7',
      'go_size_bytes{instance="i",job="J",quantile="0.5"} 7',
    ].map((line) => line.replace('"J"', `"${job}"`));
    await expectJob(gateway, job, { lines, groups: [{ job, instance: 'i' }] });
    const types = familyTypes(await gateway.scrape());
    expect(types.get('go_requests_total')).toBe('counter');
    expect(types.get('go_size_bytes')).toBe('summary');
    expect(types.get('go_duration_seconds')).toBe('histogram');
    await go('delete', { job, grouping: { instance: 'i' } });
    await expectJob(gateway, job, NOTHING);
  });

  test('an inconsistent push is refused as a whole, and the client reports the reason', async () => {
    const job = `refused-${format}`;
    await go('push', { job: 'first', gauges: { go_requests_total: 1 }, flags });
    const { code, output } = await attempt('push', { job, gauges: { go_innocent: 1 }, flags: [...flags, '-types'] });
    expect(code).toBe(1);
    expect(output).toContain(`unexpected status code 400 while pushing to ${gateway.url}/metrics/job/${job}: `);
    expect(output).toMatch(/: pushed metrics are invalid or inconsistent with existing metrics: .*go_requests_total/);
    await eventually(async () => {
      expect(sampleValue(await gateway.scrape(), 'push_failure_time_seconds', { job })).toBeGreaterThan(0);
    });
    expect(await linesOf(gateway, job)).toEqual([]);
    await go('delete', { job: 'first' });
  });
});

test.each([
  ['a slash', 'a/b', 'a/b'],
  ['a path', '/var/tmp/', '/var/tmp/'],
  ['nothing', '', ''],
  ['UTF-8', 'Zürich', 'Zürich'],
  ['a plus, a percent sign, ? and #', '1+1=100%?#', '1+1=100%?#'],
  // The client encodes a space as "+", which both gateways take for a plus.
  ['a blank', 'x y', 'x+y'],
])('grouping: %s', async (_, value, stored) => {
  const call = { job: 'grouping', grouping: { a: value, b: '2' } };
  await go('push', { ...call, gauges: { g: 1 } });
  await expectJob(gateway, 'grouping', {
    lines: [`g{a="${stored}",b="2",instance="",job="grouping"} 1`],
    groups: [{ job: 'grouping', a: stored, b: '2' }],
  });
  await go('delete', call);
  await expectJob(gateway, 'grouping', NOTHING);
});

test('a job with a slash', async () => {
  await go('push', { job: '/etc/cron', gauges: { g: 1 } });
  await expectJob(gateway, '/etc/cron', {
    lines: ['g{instance="",job="/etc/cron"} 1'],
    groups: [{ job: '/etc/cron' }],
  });
  await go('delete', { job: '/etc/cron' });
  await expectJob(gateway, '/etc/cron', NOTHING);
});

test('TLS and basic authentication, where pushes are answered 200', async () => {
  const { url, user, password, certificateFile, request } = await startSecuredGateway();
  const call = { address: url, job: 'secured', env: { SSL_CERT_FILE: certificateFile } };
  const flags = [`-auth=${user}:${password}`];
  const { code, output } = await attempt('push', { ...call, flags: [`-auth=${user}:wrong`], gauges: { g: 1 } });
  expect({ code, output }).toEqual({ code: 1, output: expect.stringContaining('unexpected status code 401') });
  const expected = { lines: ['g{instance="",job="secured"} 1'], groups: [{ job: 'secured' }] };
  await go('push', { ...call, flags, gauges: { g: 1 } });
  expect(await linesOf({ request }, 'secured')).toEqual(expected.lines);
  await expectJob({ request }, 'secured', expected);
  await go('delete', { ...call, flags });
  expect(await linesOf({ request }, 'secured')).toEqual([]);
});
