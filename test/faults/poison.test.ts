import { beforeAll, describe, expect, test } from 'vitest';
import { makeGroup } from '../../shared/model/group.ts';
import { eventually } from '../support/eventually.ts';
import { startGateway, type Gateway } from '../support/servers/gateway.ts';
import { sampleLines, sampleSum, sampleValue } from '../support/metrics-text.ts';
import { startRedis, type RedisServer } from '../support/redis/server.ts';
import { applied } from '../support/http/request.ts';

// Entries that no gateway writes are in the log: they become dead letters with the reason, and do not block other
// pushes.

let redis: RedisServer;
let gateway: Gateway;

beforeAll(async () => {
  redis = await startRedis();
  // One shard, so that the poison and the others are always in the same log.
  gateway = await startGateway({ redis, args: ['--redis.shards=1'] });
});

const LOG = 'pgw:{0}:pushes';
const DEAD = 'pgw:{0}:dead';

/** A body with one family with one sample. */
function bodyOf(job: string, family: string, value: number): string {
  const { id } = makeGroup('push', [['job', job]]);
  const line = `${family}{instance="",job="${job}"} ${value}\n`;
  const strings = [id, JSON.stringify(['job', job]), '1', family, `untyped 1 0 ${line.length}\n${line}`];
  return `${strings.map(({ length }) => length).join(' ')}\n${strings.join('')}`;
}

/** The fields of a valid push with these changes; undefined omits a field. */
function entry(changes: Record<string, string | undefined>): string[] {
  const good = {
    v: '2',
    id: 'poison.1',
    since: '',
    verb: 'PUT',
    kind: 'push',
    at: String(Date.now()),
    ttl: '60000',
    body: bodyOf('poison', 'poison', 1),
  };
  return Object.entries({ ...good, ...changes }).flatMap(([name, value]) => (value === undefined ? [] : [name, value]));
}

/** The newest entry of a stream, its ID and its fields. */
async function lastEntry(of: RedisServer, key: string): Promise<Record<string, string>> {
  // In the raw format, a value that ends in a newline looks like two values.
  const reply: unknown = JSON.parse(await of.cli('--json', 'XREVRANGE', key, '+', '-', 'COUNT', '1'));
  const [newest] = reply as [string, string[]][];
  const [entryId, flat] = newest ?? ['', []];
  const fields: Record<string, string> = { entryId };
  for (let i = 0; i + 1 < flat.length; i += 2) fields[flat[i] ?? ''] = flat[i + 1] ?? '';
  return fields;
}

const deadLettered = async (of: Gateway): Promise<number> =>
  sampleSum(await of.telemetry(), 'pushgateway_pushes_settled_total', { outcome: 'dead-lettered' });

describe('dead-lettered with the reason', () => {
  test.for<[what: string, fields: string[], reason: RegExp]>([
    ['fields of somebody else', ['hello', 'world'], /version "nil" is not 2/],
    ['the version before', entry({ v: '1' }), /version "1" is not 2/],
    ['no ID', entry({ id: undefined }), /it has no field "id"/],
    ['a verb that is none', entry({ verb: 'PATCH' }), /field "verb" is "PATCH"/],
    ['an arrival beyond all time', entry({ at: '9'.repeat(30) }), /field "at" is/],
    ['a stream ID that is none', entry({ since: 'x' }), /field "since" is "x"/],
    ['a body that is text', entry({ body: 'poison 1\n' }), /lengths in its body do not add up/],
    [
      'a body that was cut short',
      entry({ body: bodyOf('poison', 'poison', 1).slice(0, -1) }),
      /lengths in its body do not add up/,
    ],
    ['thousands of fields', Array.from({ length: 9_000 }, (_, i) => `f${i}`), /version "nil"/],
  ])('%s', async ([what, fields, reason]) => {
    const before = Number(await redis.cli('XLEN', DEAD));
    const counted = await deadLettered(gateway);
    const job = `beside-${what.replaceAll(/\W+/g, '-')}`;
    // In one batch with valid pushes before and after it.
    gateway.process.signal('SIGSTOP');
    const good = (n: number) => entry({ id: `good.${n}`, body: bodyOf(`${job}-${n}`, 'good', n) });
    await redis.cli('XADD', LOG, '*', ...good(1));
    const poisonId = await redis.cli('XADD', LOG, '*', ...fields);
    await redis.cli('XADD', LOG, '*', ...good(2));
    gateway.process.signal('SIGCONT');

    await eventually(async () => Number(await redis.cli('XLEN', DEAD)) === before + 1, { what: 'a dead letter' });
    const dead = await lastEntry(redis, DEAD);
    expect(dead['entry']).toBe(poisonId);
    expect(dead['reason']).toMatch(reason);
    expect(dead['attempts']).toBe('1');
    for (const n of [1, 2]) {
      await eventually(async () => sampleValue(await gateway.scrape(), 'good', { job: `${job}-${n}` }) === n);
    }
    expect(await redis.cli('XLEN', LOG)).toBe('0');
    expect(sampleLines(await gateway.scrape()).filter((line) => line.startsWith('poison'))).toEqual([]);
    expect(await deadLettered(gateway)).toBe(counted + 1);
    expect(gateway.process.log()).toContain(`entry=${poisonId}`);
  });
});

describe('a body that can be merged, but not be read', () => {
  const { id } = makeGroup('push', [['job', 'unread']]);
  test.for<[what: string, strings: string[]]>([
    ['labels that are not a list', [id, 'job=unread', '0']],
    ['a truncated family', [id, '["job","unread"]', '1', 'unread', 'untyped 1']],
  ])('%s: the group is logged and not exposed', async ([what, strings]) => {
    const body = `${strings.map(({ length }) => length).join(' ')}\n${strings.join('')}`;
    const seen = gateway.process.log().length;
    await redis.cli('XADD', LOG, '*', ...entry({ id: 'unread.1', body }));
    await eventually(() => gateway.process.log().slice(seen).includes(id), { what: 'the name of the group' });
    const job = `after-${what.replaceAll(/\W+/g, '-')}`;
    expect((await gateway.push(`/metrics/job/${job}`, 'after 1\n', applied)).status).toBe(200);
    const text = await gateway.scrape();
    expect(sampleValue(text, 'after', { job })).toBe(1);
    expect(text).not.toContain('unread');
    // The next push to the group makes it valid again.
    expect((await gateway.push('/metrics/job/unread', 'unread 2\n', applied)).status).toBe(200);
    expect(sampleValue(await gateway.scrape(), 'unread')).toBe(2);
    await gateway.delete('/metrics/job/unread', applied);
  });
});

describe('the script fails as a whole', () => {
  /** Several times. */
  async function untilTriedAgain(own: RedisServer): Promise<void> {
    const failures = async (): Promise<number> =>
      Number(/evalsha:.*failed_calls=(\d+)/.exec(await own.cli('INFO', 'commandstats'))?.[1]);
    const before = await failures();
    await eventually(async () => (await failures()) > before + 4, { timeoutMs: 20_000, what: 'more attempts' });
  }

  test('the push that causes it becomes a dead letter after --worker.max-attempts, the pushes after it are merged', async () => {
    // As if a push blocks Redis for so long that an operator kills the script.
    const own = await startRedis();
    const ingest = await startGateway({ redis: own, role: 'ingest', args: ['--redis.shards=1'] });
    const reader = await startGateway({ redis: own, role: 'reader', args: ['--redis.shards=1'] });
    const many = `redis.call('XADD', KEYS[1], '*', 'pushes', string.rep('a:a ', ARGV[1]), 'groups', '')`;
    await own.cli('EVAL', many, '1', 'pgw:{0}:changes', '1000000');
    // The script searches a million recorded outcomes for an earlier append of this push.
    const slow = await own.cli('XADD', LOG, '*', ...entry({ id: 'slow.1', since: '0-1' }));
    for (const job of ['a', 'b']) expect((await ingest.push(`/metrics/job/${job}`, 'behind 1\n')).status).toBe(202);
    await own.cli('CONFIG', 'SET', 'lua-time-limit', '1');
    const args = ['--redis.shards=1', '--worker.max-attempts=3'];
    const worker = await startGateway({ redis: own, role: 'worker', args, waitUntilReady: false });

    let killed = 0;
    const isSettled = (): boolean => worker.process.log().includes('push moved to the dead letters');
    await eventually(
      async () => {
        killed += await own.cli('SCRIPT', 'KILL').then(
          () => 1,
          () => 0,
        );
        return isSettled();
      },
      { timeoutMs: 60_000, intervalMs: 1, what: 'a dead letter' },
    );
    await own.cli('CONFIG', 'SET', 'lua-time-limit', '5000');
    // SCRIPT KILL may be repeated while the script is being killed.
    expect(killed).toBeGreaterThanOrEqual(3);
    const dead = await lastEntry(own, DEAD);
    expect(dead).toMatchObject({ entry: slow, id: 'slow.1', attempts: '3' });
    expect(dead['reason']).toMatch(/^its merge failed 3 times: .*SCRIPT KILL/);
    for (const job of ['a', 'b'])
      await eventually(async () => sampleValue(await reader.scrape(), 'behind', { job }) === 1);
    await eventually(async () => (await deadLettered(worker)) === 1);
    expect(worker.process.log()).toContain('cannot merge pushes; they stay in the log');
  });

  test('because a permission is missing: the pushes stay in the log until it is granted', async () => {
    const own = await startRedis();
    const ingest = await startGateway({ redis: own, role: 'ingest', args: ['--redis.shards=1'] });
    await own.cli('ACL', 'SETUSER', 'worker', 'on', '>secret', '~*', '&*', '+@all', '-time');
    const args = ['--redis.shards=1', '--redis.username=worker', '--redis.password=secret', '--worker.max-attempts=2'];
    const worker = await startGateway({ redis: own, role: 'worker', args });
    for (let i = 0; i < 3; i++) expect((await ingest.push(`/metrics/job/j${i}`, 'm 1\n')).status).toBe(202);
    await worker.process.waitForLine(/cannot merge pushes.*can't run this command/);
    await untilTriedAgain(own);
    expect(await own.cli('XLEN', LOG)).toBe('3');
    expect(await own.cli('XLEN', DEAD)).toBe('0');
    await own.cli('ACL', 'SETUSER', 'worker', '+time');
    await eventually(async () => (await own.cli('XLEN', LOG)) === '0', { what: 'an empty log' });
    expect(await own.cli('XLEN', DEAD)).toBe('0');
  });

  test('because a key has the wrong type: the pushes stay in the log until it is deleted', async () => {
    const own = await startRedis();
    const flags = ['--redis.shards=1', '--redis.prefix=user_scripts'];
    const [log, groups] = ['user_scripts:{0}:pushes', 'user_scripts:{0}:groups'];
    const ingest = await startGateway({ redis: own, role: 'ingest', args: flags });
    expect((await ingest.push('/metrics/job/j', 'm 1\n')).status).toBe(202);
    await own.cli('SET', groups, 'not ours');
    const worker = await startGateway({ redis: own, role: 'worker', args: [...flags, '--worker.max-attempts=1'] });
    await worker.process.waitForLine(/cannot merge pushes.*holds a string, not a zset/);
    await untilTriedAgain(own);
    expect(await own.cli('XLEN', log)).toBe('1');
    await own.cli('DEL', groups);
    await eventually(async () => (await own.cli('XLEN', log)) === '0', { what: 'an empty log' });
    expect(await own.cli('EXISTS', 'user_scripts:{0}:dead')).toBe('0');
  });
});

test('a client that waits for a dead-lettered push gets an error', async () => {
  // The body of a valid push is replaced by an invalid one before a worker merges it.
  const own = await startRedis();
  const ingest = await startGateway({ redis: own, role: 'ingest', args: ['--redis.shards=1'] });
  const waiting = ingest.push('/metrics/job/j', 'm 1\n', { headers: { prefer: 'wait=20' } });
  await eventually(async () => (await own.cli('XLEN', LOG)) === '1');
  const { entryId = '', id } = await lastEntry(own, LOG);
  await own.cli('XADD', LOG, '*', ...entry({ id, body: 'no lengths' }));
  await own.cli('XDEL', LOG, entryId);
  await startGateway({ redis: own, role: 'worker', args: ['--redis.shards=1'] });
  expect(await waiting).toMatchObject({ status: 202, text: expect.stringContaining('dead letters') as string });
});

test('the gateway still works', async () => {
  expect((await gateway.push('/metrics/job/last', 'last 1\n', applied)).status).toBe(200);
  expect(sampleValue(await gateway.scrape(), 'last')).toBe(1);
  expect(await gateway.telemetry()).toMatch(/^pushgateway_dead_letters [1-9]/m);
});
