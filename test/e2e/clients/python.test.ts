import { beforeAll, beforeEach, expect, test } from 'vitest';
import { expectJob, linesOf, NOTHING } from '../../clients/job-state.ts';
import { startSecuredGateway } from '../../clients/secured-gateway.ts';
import { eventually } from '../../support/eventually.ts';
import { startGateway, type Gateway } from '../../support/servers/gateway.ts';
import { sampleValue } from '../../support/metrics-text.ts';
import { run, type Outcome } from '../../support/process/run.ts';

// The official client for Python, in typical programs.

const interpreter = await findInterpreter();
let gateway: Gateway;

beforeAll(async () => {
  if (interpreter !== undefined) gateway = await startGateway();
});

beforeEach(({ skip }) => {
  skip(interpreter === undefined, 'prometheus_client for Python is not installed');
});

/** The Debian package belongs to the Python of Debian, which may not be the first in PATH. */
async function findInterpreter(): Promise<string | undefined> {
  for (const command of ['/usr/bin/python3', 'python3']) {
    const found = await run(command, ['-c', 'import prometheus_client']).catch(() => undefined);
    if (found?.code === 0) return command;
  }
  return undefined;
}

const PREAMBLE = `
import sys
from prometheus_client import *
gateway = sys.argv[1]
def gauges(**values):
    registry = CollectorRegistry()
    for name, value in values.items():
        Gauge(name, 'A gauge.', registry=registry).set(value)
    return registry
`;

async function attempt(program: string, address = `127.0.0.1:${gateway.port}`, env = {}): Promise<Outcome> {
  const input = `${PREAMBLE}\n${program}\n`;
  return await run(interpreter ?? 'python3', ['-', address], { input, env: { ...process.env, ...env } });
}

async function python(program: string, address?: string, env = {}): Promise<void> {
  expect(await attempt(program, address, env)).toMatchObject({ code: 0, output: '' });
}

test('push_to_gateway replaces, pushadd_to_gateway adds, delete_from_gateway deletes', async () => {
  const groups = [{ job: 'py' }];
  await python(`push_to_gateway(gateway, job='py', registry=gauges(a=1, b=1))`);
  await expectJob(gateway, 'py', { lines: ['a{instance="",job="py"} 1', 'b{instance="",job="py"} 1'], groups });
  await python(`pushadd_to_gateway(gateway, job='py', registry=gauges(b=2))`);
  await expectJob(gateway, 'py', { lines: ['a{instance="",job="py"} 1', 'b{instance="",job="py"} 2'], groups });
  await python(`push_to_gateway('http://' + gateway + '/', job='py', registry=gauges(b=3))`);
  await expectJob(gateway, 'py', { lines: ['b{instance="",job="py"} 3'], groups });
  await python(`delete_from_gateway(gateway, job='py')`);
  await expectJob(gateway, 'py', NOTHING);
});

test.each([
  ['instance_ip_grouping_key()', { instance: '127.0.0.1' }, 'g{instance="127.0.0.1",job="keyed"} 1'],
  [`{'b': 2, 'a': 1}`, { a: '1', b: '2' }, 'g{a="1",b="2",instance="",job="keyed"} 1'],
  [`{'path': '/var/tmp'}`, { path: '/var/tmp' }, 'g{instance="",job="keyed",path="/var/tmp"} 1'],
  [`{'path': '/ü?'}`, { path: '/ü?' }, 'g{instance="",job="keyed",path="/ü?"} 1'],
  [`{'zone': ''}`, { zone: '' }, 'g{instance="",job="keyed",zone=""} 1'],
  [`{'zone': '', 'a': 'b'}`, { a: 'b', zone: '' }, 'g{a="b",instance="",job="keyed",zone=""} 1'],
  [`{'a': '100%+"ü"'}`, { a: '100%+"ü"' }, 'g{a="100%+\\"ü\\"",instance="",job="keyed"} 1'],
  // The client encodes a space as "+", which both gateways take for a plus.
  [`{'a': 'x y'}`, { a: 'x+y' }, 'g{a="x+y",instance="",job="keyed"} 1'],
])('grouping key %s', async (key, labels, line) => {
  await python(`push_to_gateway(gateway, job='keyed', grouping_key=${key}, registry=gauges(g=1))`);
  await expectJob(gateway, 'keyed', { lines: [line], groups: [{ job: 'keyed', ...labels }] });
  await python(`delete_from_gateway(gateway, job='keyed', grouping_key=${key})`);
  await expectJob(gateway, 'keyed', NOTHING);
});

test('a job with a slash', async () => {
  await python(`push_to_gateway(gateway, job='/etc/cron', registry=gauges(g=1))`);
  await expectJob(gateway, '/etc/cron', {
    lines: ['g{instance="",job="/etc/cron"} 1'],
    groups: [{ job: '/etc/cron' }],
  });
  await python(`delete_from_gateway(gateway, job='/etc/cron')`);
  await expectJob(gateway, '/etc/cron', NOTHING);
});

test('every type arrives', async () => {
  await python(`
registry = CollectorRegistry()
Counter('py_requests', 'A counter\\nin "two" lines.', ['path'], registry=registry).labels('/a "b"\\\\c\\n').inc(3)
Summary('py_size_bytes', 'A summary.', registry=registry).observe(7)
histogram = Histogram('py_seconds', 'A histogram.', buckets=(0.1, 1), registry=registry)
for seconds in 0.05, 0.5, 5: histogram.observe(seconds)
Info('py_build', 'An info.', registry=registry).info({'version': '1'})
Enum('py_state', 'An enum.', states=['on', 'off'], registry=registry).state('off')
push_to_gateway(gateway, job='types', registry=registry)
`);
  await eventually(async () => {
    const lines = (await linesOf(gateway, 'types')).filter((line) => !line.includes('_created{'));
    expect(lines).toEqual([
      'py_build_info{instance="",job="types",version="1"} 1',
      'py_requests_total{instance="",job="types",path="/a \\"b\\"\\\\c\\n"} 3',
      'py_seconds_bucket{instance="",job="types",le="+Inf"} 3',
      'py_seconds_bucket{instance="",job="types",le="0.1"} 1',
      'py_seconds_bucket{instance="",job="types",le="1"} 2',
      'py_seconds_count{instance="",job="types"} 3',
      'py_seconds_sum{instance="",job="types"} 5.55',
      'py_size_bytes_count{instance="",job="types"} 1',
      'py_size_bytes_sum{instance="",job="types"} 7',
      'py_state{instance="",job="types",py_state="off"} 1',
      'py_state{instance="",job="types",py_state="on"} 0',
    ]);
  });
  expect(await gateway.scrape()).toContain(
    '# HELP py_requests_total A counter\\nin "two" lines.\n# TYPE py_requests_total counter\n',
  );
});

test('an inconsistent push and an empty job raise an HTTPError', async () => {
  await python(`push_to_gateway(gateway, job='first', registry=gauges(taken=1))`);
  const refused = await attempt(`
registry = gauges(innocent=1)
Summary('taken', 'Not a gauge.', registry=registry)
push_to_gateway(gateway, job='second', registry=registry)
`);
  expect(refused).toMatchObject({ code: 1, output: expect.stringMatching(/urllib.error.HTTPError: HTTP Error 400: /) });
  await eventually(async () => {
    expect(sampleValue(await gateway.scrape(), 'push_failure_time_seconds', { job: 'second' })).toBeGreaterThan(0);
  });
  expect(await linesOf(gateway, 'second')).toEqual([]);
  const nameless = await attempt(`push_to_gateway(gateway, job='', registry=gauges(g=1))`);
  expect(nameless).toMatchObject({ code: 1, output: expect.stringContaining('HTTP Error 400') });
});

test('TLS and basic authentication', async () => {
  const { url, user, password, certificateFile, request } = await startSecuredGateway();
  const env = { SSL_CERT_FILE: certificateFile };
  const asUser = (call: string, secret = password) => `
from prometheus_client.exposition import basic_auth_handler
def handler(url, method, timeout, headers, data):
    return basic_auth_handler(url, method, timeout, headers, data, '${user}', '${secret}')
${call}
`;
  const push = `push_to_gateway(gateway, job='secured', registry=gauges(g=1), handler=handler)`;
  const refused = await attempt(asUser(push, 'wrong'), url, env);
  expect(refused).toMatchObject({ code: 1, output: expect.stringContaining('HTTP Error 401') });
  await python(asUser(push), url, env);
  await expectJob({ request }, 'secured', {
    lines: ['g{instance="",job="secured"} 1'],
    groups: [{ job: 'secured' }],
  });
  await python(asUser(`delete_from_gateway(gateway, job='secured', handler=handler)`), url, env);
  await expectJob({ request }, 'secured', NOTHING);
});
