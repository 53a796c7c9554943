import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { startGateway, type Gateway, type Role } from '../support/servers/gateway.ts';
import { sampleSum, sampleValue } from '../support/metrics-text.ts';
import { freePort } from '../support/process/ports.ts';
import { projectFolder } from '../support/project.ts';
import { auditPushes, countOutcomes } from '../support/redis/push-audit.ts';
import { startRedis, type RedisServer } from '../support/redis/server.ts';
import { Watch } from '../support/watch.ts';

// Two processes of each role on one Redis are one gateway: same result as `all`, and each can be replaced.

interface Fleet {
  readonly redis: RedisServer;
  readonly ingest: [Gateway, Gateway];
  readonly workers: [Gateway, Gateway];
  readonly readers: [Gateway, Gateway];
}

async function startFleet(): Promise<Fleet> {
  const redis = await startRedis();
  const startOne = async (role: Role) => startGateway({ redis, role, port: await freePort() });
  const start = async (role: Role) => Promise.all([startOne(role), startOne(role)]);
  const [ingest, workers, readers] = await Promise.all([start('ingest'), start('worker'), start('reader')]);
  return { redis, ingest, workers, readers };
}

let fleet: Fleet;
let all: Gateway;

beforeAll(async () => {
  [fleet, all] = await Promise.all([startFleet(), startRedis().then(async (redis) => startGateway({ redis }))]);
});

const example = readFileSync(join(projectFolder, 'examples/data.txt'), 'utf8');

/** Pushes of all kinds. Waits for each, so that the order is the same on both sides. */
async function pushEverything(pick: (i: number) => Gateway): Promise<void> {
  const steps: [method: 'PUT' | 'POST' | 'DELETE', path: string, body: string][] = [
    ['POST', '/ingest', example],
    ['PUT', '/metrics/job/a', '# HELP m One.\n# TYPE m gauge\nm{x="1"} 1\nm{x="2"} 2\n'],
    ['PUT', '/metrics/job/b/instance/i', '# TYPE m gauge\nm 3\n'],
    ['POST', '/metrics/job/a', '# TYPE m gauge\nm{x="3"} 4\n'],
    ['PUT', '/metrics/job/c', 'gone 1\n'],
    ['POST', '/metrics/job/c', 'gone_too 1\n'],
    ['DELETE', '/metrics/job/c', ''],
    ['PUT', '/metrics/job/d', 'replaced 1\n'],
    ['PUT', '/metrics/job/d', 'kept 1\n'],
    ['PUT', '/metrics/job@base64/w6TDtsO8', 'umlauts{a="\\"\\\\\\n"} 1e9\n'],
    ['POST', '/ingest', 'series{a="1"} 1\nseries{a="2"} 2\n'],
    ['POST', '/ingest', 'series{a="2"} 3\n'],
    ...Array.from({ length: 60 }, (_, i): [method: 'PUT' | 'POST', path: string, body: string] => [
      i % 2 === 0 ? 'PUT' : 'POST',
      `/metrics/job/many/n/${i % 20}`,
      `many_${i % 7} ${i}\n`,
    ]),
  ];
  for (const [i, [method, path, body]] of steps.entries()) {
    const answer = await pick(i).push(path, body, { method, headers: { prefer: 'wait=30' } });
    expect(answer, `${method} ${path}: ${answer.text}`).toMatchObject({ status: method === 'DELETE' ? 202 : 200 });
  }
}

function withoutPushTimes(text: string): string {
  return text.replaceAll(/^(push_(?:failure_)?time_seconds\S*) .*$/gm, '$1');
}

test('the same pushes give the same /metrics as `all`, and both readers the same bytes', async () => {
  await Promise.all([pushEverything((i) => fleet.ingest[i % 2 === 0 ? 0 : 1]), pushEverything(() => all)]);
  const expected = withoutPushTimes(await all.scrape());
  expect(expected.split('\n').length).toBeGreaterThan(100);
  const [one, two] = fleet.readers;
  await eventually(async () => expect(withoutPushTimes(await one.scrape())).toBe(expected));
  await eventually(async () => expect(await two.scrape()).toBe(await one.scrape()));
});

test('both workers merge pushes, and the sum of their counts is right', async () => {
  const telemetry = await Promise.all(fleet.workers.map(async (worker) => worker.telemetry()));
  const applied = telemetry.map((text) => sampleSum(text, 'pushgateway_pushes_settled_total', { outcome: 'applied' }));
  for (const count of applied) expect(count).toBeGreaterThan(0);
  const { a = 0, ...others } = countOutcomes(await auditPushes(fleet.redis));
  expect(others).toEqual({});
  expect(applied.reduce((sum, count) => sum + count)).toBe(a);
});

const statuses = async (gateway: Gateway) => ({
  push: (await gateway.push('/metrics/job/roles', 'roles 1\n')).status,
  ingest: (await gateway.ingest('roles 1\n')).status,
  scrape: (await gateway.request('/metrics')).status,
  telemetry: (await gateway.request('/telemetry')).status,
  ready: (await gateway.request('/-/ready')).status,
});

test('each role serves its own paths, and refuses others', async () => {
  const probes = { telemetry: 200, ready: 200 };
  expect(await statuses(fleet.ingest[0])).toEqual({ push: 202, ingest: 202, scrape: 404, ...probes });
  expect(await statuses(fleet.workers[0])).toEqual({ push: 404, ingest: 404, scrape: 404, ...probes });
  expect(await statuses(fleet.readers[0])).toEqual({ push: 404, ingest: 404, scrape: 200, ...probes });
});

test('every process is restarted in turn during pushes and scrapes: none is refused, none lost', async () => {
  // A separate fleet, because the restarted processes end with this test.
  const { redis, ingest, workers, readers } = await startFleet();
  const refusals: string[] = [];
  /** Why pushes had to be sent to the other node. */
  const moved: string[] = [];
  let acknowledged = 0;
  const stop = new AbortController();

  /** As a load balancer: a push without an answer is sent to the other node. */
  async function push(lane: number, value: number): Promise<void> {
    for (const to of (lane + value) % 2 === 0 ? ingest : ingest.toReversed()) {
      try {
        const answer = await to.push(`/metrics/job/rolling/lane/${lane}`, `rolling ${value}\n`);
        if (answer.status === 202) {
          acknowledged++;
          return;
        }
        refusals.push(`${answer.status} ${answer.text}`);
      } catch (error) {
        moved.push(/E[A-Z]+/.exec(String(error))?.[0] ?? String(error));
      }
    }
    refusals.push(`push ${value} was not taken by anybody`);
  }

  const lanes = [0, 1, 2, 3];
  const last = lanes.map(() => 0);
  const pushing = lanes.map(async (lane) => {
    for (let value = 1; !stop.signal.aborted; value++) {
      await push(lane, value);
      last[lane] = value;
    }
  });
  for (const [first, second] of [ingest, workers, readers]) {
    for (const one of [first, second]) {
      const other = one === first ? second : first;
      const watch = readers.includes(one) ? new Watch(other.url) : undefined;
      expect(await one.stop()).toEqual({ code: 0, signal: null });
      await one.restart();
      await watch?.stop();
      expect(watch?.failures ?? []).toEqual([]);
    }
  }
  stop.abort();
  await Promise.all(pushing);
  expect(refusals).toEqual([]);
  const reset = moved.filter((reason) => reason !== 'ECONNREFUSED');
  console.log(`${acknowledged} pushes acknowledged; ${moved.length} found a closed port, ${reset.length} were cut off`);
  // Connections that the kernel has accepted, but the process has not, are reset when the port closes; others are not.
  expect(reset.length, reset.join()).toBeLessThan(5);

  for (const reader of readers) {
    await eventually(async () => {
      const text = await reader.scrape();
      for (const lane of lanes) expect(sampleValue(text, 'rolling', { lane: String(lane) })).toBe(last[lane]);
    });
  }
  await eventually(async () => (await auditPushes(redis)).logged === 0);
  const audit = await auditPushes(redis);
  const { a = 0, s = 0, ...others } = countOutcomes(audit);
  expect(others).toEqual({});
  // A push without an answer may have been stored.
  expect(a + s).toBeGreaterThanOrEqual(acknowledged);
  expect(a + s).toBeLessThanOrEqual(acknowledged + reset.length);
  await eventually(async () => expect(await readers[1].scrape()).toBe(await readers[0].scrape()));
});

test('on SIGTERM every role drains and ends with status 0', async () => {
  const { redis, ingest, workers, readers } = fleet;
  const values = Array.from({ length: 40 }, (_, i) => i);
  const pushes = values.map(async (i) => ingest[0].push(`/metrics/job/drained${i}`, `drained ${i}\n`));
  await eventually(async () => sampleSum(await ingest[0].telemetry(), 'pushgateway_pushes_total') > 0);
  expect(await ingest[0].stop()).toEqual({ code: 0, signal: null });
  // Connected clients are answered, others find a closed port.
  const answers = await Promise.all(pushes.map(async (one) => one.catch(() => undefined)));
  const taken = values.filter((i) => answers[i]?.status === 202);
  expect(taken.length).toBeGreaterThan(0);
  for (const answer of answers) if (answer !== undefined) expect(answer.status).toBe(202);
  await eventually(async () => {
    const text = await readers[0].scrape();
    for (const i of taken) expect(sampleValue(text, 'drained', { job: `drained${i}` })).toBe(i);
  });
  for (const one of [ingest[1], ...workers, ...readers]) expect(await one.stop()).toEqual({ code: 0, signal: null });
  expect(await auditPushes(redis)).toMatchObject({ logged: 0 });
});
