import { beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import { sampleLines, sampleSum, sampleValue } from '../support/metrics-text.ts';
import { startRedis, type RedisServer } from '../support/redis.ts';
import { applied } from '../support/request.ts';

// What no gateway would write stands in the log: it ends in the dead letters with the reason, and hinders nobody.

let redis: RedisServer;
let gateway: Gateway;

beforeAll(async () => {
  redis = await startRedis();
  // One shard, so that the poison and the others are always in the same log.
  gateway = await startGateway({ redis, args: ['--redis.shards=1', '--worker.claim-idle=1s'] });
});

const LOG = 'pgw:{0}:pushes';
const DEAD = 'pgw:{0}:dead';

/** The fields of a good push, and what is to be different; undefined leaves a field out. */
function entry(changes: Record<string, string | undefined>): string[] {
  const good = {
    v: '1',
    id: 'poison.1',
    verb: 'PUT',
    kind: 'push',
    labels: '["job","poison"]',
    at: String(Date.now()),
    ttl: '60000',
    format: 'text',
    since: '',
    body: 'poison 1\n',
  };
  return Object.entries({ ...good, ...changes }).flatMap(([name, value]) => (value === undefined ? [] : [name, value]));
}

/** The newest entry of a stream, its ID and its fields. */
async function lastEntry(of: RedisServer, key: string): Promise<Record<string, string>> {
  // Raw, a value that ends in a newline can't be told from two values.
  const reply: unknown = JSON.parse(await of.cli('--json', 'XREVRANGE', key, '+', '-', 'COUNT', '1'));
  const [newest] = reply as [string, string[]][];
  const [entryId, flat] = newest ?? ['', []];
  const fields: Record<string, string> = { entryId };
  for (let i = 0; i + 1 < flat.length; i += 2) fields[flat[i] ?? ''] = flat[i + 1] ?? '';
  return fields;
}

describe('dead-lettered with the reason', () => {
  test.for<[what: string, fields: string[], reason: RegExp]>([
    ['fields of somebody else', ['hello', 'world'], /it has no field "v"/],
    ['a version to come', entry({ v: '2' }), /version "2" is not 1/],
    ['no ID', entry({ id: undefined }), /it has no field "id"/],
    ['an ID that would be two', entry({ id: 'a b' }), /field "id" is "a b"/],
    ['a verb that is none', entry({ verb: 'PATCH' }), /field "verb" is "PATCH"/],
    ['a kind that is none', entry({ kind: 'pull' }), /field "kind" is "pull"/],
    ['a format that is none', entry({ format: 'xml' }), /field "format" is "xml"/],
    ['labels that are no JSON', entry({ labels: 'job=poison' }), /./],
    ['labels that are none of ours', entry({ labels: '{"job":"poison"}' }), /cannot decode labels/],
    ['an arrival that is no time', entry({ at: 'now' }), /field "at" is "now"/],
    ['an arrival beyond all time', entry({ at: '9'.repeat(30) }), /field "at" is/],
    ['a TTL that is none', entry({ ttl: 'NaN' }), /field "ttl" is "NaN"/],
    ['a TTL below zero', entry({ ttl: '-1' }), /field "ttl" is "-1"/],
    ['a stream ID that is none', entry({ since: 'x' }), /field "since" is "x"/],
    ['a body that is no exposition', entry({ body: '<html>\n' }), /line 1/],
    ['a body that is no protobuf', entry({ format: 'protobuf', body: 'poison 1\n' }), /./],
    ['thousands of fields', Array.from({ length: 9_000 }, (_, i) => `f${i}`), /it has no field "v"/],
  ])('%s', async ([what, fields, reason]) => {
    const before = Number(await redis.cli('XLEN', DEAD));
    const counted = sampleSum(await gateway.telemetry(), 'pushgateway_pushes_settled_total', {
      outcome: 'dead-lettered',
    });
    const job = `beside-${what.replaceAll(/\W+/g, '-')}`;
    // In one batch with good ones before and behind it.
    gateway.process.signal('SIGSTOP');
    const good = (n: number) => entry({ id: `good.${n}`, labels: `["job","${job}","n","${n}"]`, body: `good ${n}\n` });
    await redis.cli('XADD', LOG, '*', ...good(1));
    const poisonId = await redis.cli('XADD', LOG, '*', ...fields);
    await redis.cli('XADD', LOG, '*', ...good(2));
    gateway.process.signal('SIGCONT');

    await eventually(async () => Number(await redis.cli('XLEN', DEAD)) === before + 1, { what: 'a dead letter' });
    const dead = await lastEntry(redis, DEAD);
    expect(dead['entry']).toBe(poisonId);
    expect(dead['reason']).toMatch(reason);
    expect(dead['deliveries']).toBe('1');
    for (const n of [1, 2]) {
      await eventually(async () => sampleValue(await gateway.scrape(), 'good', { job, n: String(n) }) === n);
    }
    expect(await redis.cli('XLEN', LOG)).toBe('0');
    expect(sampleLines(await gateway.scrape()).filter((line) => line.startsWith('poison'))).toEqual([]);
    const telemetry = await gateway.telemetry();
    expect(sampleSum(telemetry, 'pushgateway_pushes_settled_total', { outcome: 'dead-lettered' })).toBe(counted + 1);
    expect(gateway.process.log()).toContain(`entry=${poisonId}`);
  });
});

describe('a push that was delivered again and again', () => {
  // In one script, or the gateway, which blocks on the log, would get it first.
  const LEAVE = `
    local id = redis.call('XADD', KEYS[1], '*', unpack(ARGV, 2))
    redis.call('XREADGROUP', 'GROUP', 'workers', 'ghost', 'COUNT', 1, 'STREAMS', KEYS[1], '>')
    redis.call('XCLAIM', KEYS[1], 'workers', 'ghost', 0, id, 'RETRYCOUNT', ARGV[1], 'JUSTID')`;

  /** Leaves a good push in the hands of a worker that is gone, delivered so often. */
  async function leaveWithGhost(job: string, deliveries: number): Promise<void> {
    const fields = entry({ id: `${job}.1`, labels: `["job","${job}"]` });
    await redis.cli('EVAL', LEAVE, '1', LOG, String(deliveries), ...fields);
  }

  test('4 times: is tried a fifth time', async () => {
    await leaveWithGhost('fifth', 4);
    await eventually(async () => sampleValue(await gateway.scrape(), 'poison', { job: 'fifth' }) === 1);
    expect(sampleValue(await gateway.telemetry(), 'pushgateway_pushes_reclaimed_total')).toBe(1);
  });

  test('5 times: is dead-lettered', async () => {
    await leaveWithGhost('sixth', 5);
    await eventually(async () => (await lastEntry(redis, DEAD))['labels'] === '["job","sixth"]', {
      what: 'a dead letter',
    });
    expect((await lastEntry(redis, DEAD))['reason']).toBe('delivered 5 times without success');
    expect(sampleValue(await gateway.scrape(), 'poison', { job: 'sixth' })).toBeUndefined();
  });
});

test('who waits for a push that is dead-lettered is told', async () => {
  // A good push whose body is swapped for a bad one before a worker gets it.
  const own = await startRedis();
  const ingest = await startGateway({ redis: own, role: 'ingest', args: ['--redis.shards=1'] });
  const waiting = ingest.push('/metrics/job/j', 'm 1\n', { headers: { prefer: 'wait=20' } });
  await eventually(async () => (await own.cli('XLEN', LOG)) === '1');
  const { entryId = '', id } = await lastEntry(own, LOG);
  await own.cli('XADD', LOG, '*', ...entry({ id, body: 'no exposition' }));
  await own.cli('XDEL', LOG, entryId);
  await startGateway({ redis: own, role: 'worker', args: ['--redis.shards=1'] });
  expect(await waiting).toMatchObject({ status: 202, text: expect.stringContaining('dead letters') as string });
});

test('the gateway goes on', async () => {
  expect((await gateway.push('/metrics/job/last', 'last 1\n', applied)).status).toBe(200);
  expect(sampleValue(await gateway.scrape(), 'last')).toBe(1);
  expect(await gateway.telemetry()).toMatch(/^pushgateway_dead_letters [1-9]/m);
});
