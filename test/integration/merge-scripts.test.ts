import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { prepare } from '../../services/worker/prepare.ts';
import { makeGroup } from '../../shared/grouping/group.ts';
import { GroupStore, type PreparedPush } from '../../shared/redis/group-store.ts';
import { makeKeyspace, type ShardKeys } from '../../shared/redis/keys.ts';
import { CONSUMER_GROUP, PushConsumer } from '../../shared/redis/push-consumer.ts';
import { decodePush, encodePush } from '../../shared/redis/push-record.ts';
import type { Push, Verb } from '../../shared/state/push.ts';
import { stampOf } from '../../shared/state/stamp.ts';
import { startRedis, type RedisServer } from '../support/redis.ts';
import { hold } from '../support/resources.ts';

// Each script on a real Redis, case by case. What order and repetition do to merge.lua: test/property/merge-model.test.ts.

let server: RedisServer;
let redis: Redis;
let keys: ShardKeys;
let store: GroupStore;
let consumer: PushConsumer;
let serial = 0;

beforeAll(async () => {
  server = await startRedis({ args: ['--appendonly', 'no'] });
  redis = new Redis({ port: server.port, protocol: 2, replyMapping: 'legacy' });
  hold('redis client', async () => await Promise.resolve(redis.disconnect()));
});

beforeEach(async () => {
  const keyspace = makeKeyspace(`scripts${serial++}`, 1);
  [keys] = keyspace.shards as [ShardKeys];
  store = new GroupStore(keyspace);
  consumer = new PushConsumer(keyspace, 'me');
  await consumer.createGroup(redis, 0);
});

const HOUR_MS = 3_600_000;

interface PushOptions {
  readonly id?: string;
  readonly job?: string;
  readonly body?: string | Buffer;
  /** Below 0: it has expired so long ago. */
  readonly leftMs?: number;
  readonly since?: string;
}

/** Returns its stream ID. */
async function append(verb: Verb, options: PushOptions = {}): Promise<string> {
  const { id = `push.${serial++}`, job = 'j', body = '', leftMs = HOUR_MS, since = '' } = options;
  const push: Push = {
    id,
    verb,
    kind: 'push',
    labels: [['job', job]],
    arrivalMs: Date.now() - 2 * HOUR_MS,
    ttlMs: leftMs === Infinity ? 0 : leftMs + 2 * HOUR_MS,
    format: 'text',
    body: Buffer.from(body),
  };
  return String(await redis.xadd(keys.pushes, '*', ...encodePush(push, since)));
}

/** Everything that was not delivered yet, ready to be merged. */
async function deliver(name = 'me'): Promise<PreparedPush[]> {
  const read = ['COUNT', 10_000, 'STREAMS', keys.pushes, '>'] as const;
  const [stream] = (await redis.xreadgroupBuffer('GROUP', CONSUMER_GROUP, name, ...read)) ?? [];
  return (stream?.[1] ?? []).map(([id, fields]) => {
    const push = decodePush(fields ?? []);
    const stamp = stampOf(String(id));
    return { entryId: String(id), stamp, pushId: push.id, since: push.since, operations: prepare(push, stamp) };
  });
}

async function deliverOne(): Promise<PreparedPush> {
  return (await deliver())[0] as PreparedPush;
}

const groupId = (job = 'j'): string => makeGroup('push', [['job', job]]).id;

async function exists(job?: string): Promise<{ key: boolean; index: boolean }> {
  const score = await redis.zscore(keys.groups, groupId(job));
  return { key: (await redis.exists(keys.group(groupId(job)))) === 1, index: score !== null };
}

const BOTH = { key: true, index: true };
const NEITHER = { key: false, index: false };

/** What the stream of changes says, oldest first. */
async function told(): Promise<string[]> {
  const entries = (await redis.xrange(keys.changes, '-', '+')) as [string, string[]][];
  return entries.map(([, fields]) => fields.join(' ').trim());
}

/** Names of the consumers. */
async function consumers(): Promise<unknown[]> {
  return ((await redis.xinfo('CONSUMERS', keys.pushes, CONSUMER_GROUP)) as unknown[][]).map(([, name]) => name);
}

/** All samples of the group, sorted. */
const content = async (): Promise<string> => {
  const [record] = await store.load(redis, 0, [groupId()]);
  const texts = [...(record?.families.values() ?? [])].map(({ text }) => text.toString());
  return texts.toSorted().join('');
};

/** Others, a push, a DELETE, and the push once more. */
const appendTwice = async (
  before = 0,
): Promise<{ first: PreparedPush; others: PreparedPush[]; second: PreparedPush }> => {
  for (let i = 0; i < before; i++) await append('POST', { job: 'other' });
  await append('PUT', { id: 'twice', body: 'a 1\n' });
  await append('DELETE');
  await append('PUT', { id: 'twice', body: 'a 1\n', since: '0-0' });
  const all = await deliver();
  const [first, , second] = all.splice(before, 3, all[before + 1] as PreparedPush);
  return { first: first as PreparedPush, others: all, second: second as PreparedPush };
};

describe('merge', () => {
  test('a push whose merge fails goes to the dead letters, its neighbours are merged', async () => {
    await redis.set(keys.group(groupId('broken')), 'not a hash');
    await append('PUT', { body: 'a 1\n' });
    await append('PUT', { id: 'bad', job: 'broken', body: 'a 2\n' });
    await append('POST', { body: 'b 3\n' });
    expect(await store.merge(redis, 0, await deliver())).toEqual(['applied', 'dead-lettered', 'applied']);
    expect(await content()).toMatch(/a\{.*\} 1\nb\{.*\} 3/);
    const [letter] = (await redis.xrange(keys.dead, '-', '+')) as [string, string[]][];
    expect(letter?.[1].join(' ')).toMatch(/ id bad .* body a 2\n .* reason .*WRONGTYPE/s);
    expect(await redis.xlen(keys.pushes)).toBe(0);
    expect((await told()).join()).toContain('bad:x');
  });
});

describe('sweep', () => {
  test.for<[what: string, verb: Verb, leftMs: number, pending: 'nothing' | 'older' | 'newer', left: typeof BOTH]>([
    ['a group in its time', 'PUT', HOUR_MS, 'nothing', BOTH],
    ['a group for ever', 'PUT', Infinity, 'nothing', BOTH],
    ['an expired group', 'PUT', -HOUR_MS, 'nothing', NEITHER],
    ['an expired group, a newer push pending', 'PUT', -HOUR_MS, 'newer', NEITHER],
    ['an expired group, an older push pending', 'PUT', -HOUR_MS, 'older', BOTH],
    ['an expired group after a POST, an older push pending', 'POST', -HOUR_MS, 'older', BOTH],
    ['an expired failure', 'FAIL', -HOUR_MS, 'nothing', NEITHER],
    ['an expired failure, an older push pending', 'FAIL', -HOUR_MS, 'older', BOTH],
    ['a tombstone, an older push pending', 'DELETE', HOUR_MS, 'older', BOTH],
    ['a deleted group', 'DELETE', HOUR_MS, 'nothing', NEITHER],
  ])('%s', async ([, verb, leftMs, pending, left]) => {
    if (pending === 'older') await append('POST', { job: 'other' });
    const older = await deliver();
    await append(verb, { leftMs, body: verb === 'PUT' || verb === 'POST' ? 'a 1\n' : '' });
    if (pending === 'newer') await append('POST', { job: 'other' });
    const [own] = await deliver();
    expect(await store.merge(redis, 0, [own as PreparedPush])).toEqual(['applied']);
    await store.sweep(redis, 0, 10);
    expect(await exists()).toEqual(left);

    // As soon as nothing older is pending, nothing stays but what lives.
    await store.merge(redis, 0, older);
    await store.sweep(redis, 0, 10);
    expect(await exists()).toEqual(leftMs > 0 && verb !== 'DELETE' ? BOTH : NEITHER);
  });

  test('a group that Redis let expire leaves the index', async () => {
    await append('PUT', { leftMs: 20, body: 'a 1\n' });
    await store.merge(redis, 0, await deliver());
    expect(await exists()).toEqual(BOTH);
    await sleep(30);
    expect(await exists()).toEqual({ key: false, index: true });
    expect(await store.sweep(redis, 0, 10)).toBe(1);
    expect(await exists()).toEqual(NEITHER);
  });

  test('a bounded number at a time', async () => {
    for (let i = 0; i < 7; i++) await append('PUT', { job: `j${i}`, leftMs: -1 });
    await store.merge(redis, 0, await deliver());
    expect(await store.sweep(redis, 0, 5)).toBe(5);
    expect(await store.sweep(redis, 0, 5)).toBe(2);
    expect(await store.sweep(redis, 0, 5)).toBe(0);
    expect(await redis.exists(keys.groups)).toBe(0);
  });

  test('nobody has read the log yet', async () => {
    await redis.xgroup('DESTROY', keys.pushes, CONSUMER_GROUP);
    await redis.zadd(keys.groups, 1, groupId());
    await expect(store.sweep(redis, 0, 5)).rejects.toThrow('NOGROUP');
    expect(await exists()).toEqual({ key: false, index: true });
  });
});

describe('bury', () => {
  test('a pending push goes to the dead letters, whole', async () => {
    const body = randomBytes(300);
    const entryId = await append('PUT', { id: 'poison', body });
    await redis.xreadgroup('GROUP', CONSUMER_GROUP, 'me', 'STREAMS', keys.pushes, '>');
    expect(await store.bury(redis, 0, entryId, 'cannot be read', 6)).toBe(true);

    const dead = await redis.xrangeBuffer(keys.dead, '-', '+');
    expect(dead).toHaveLength(1);
    const fields = dead[0]?.[1] ?? [];
    expect(decodePush(fields)).toMatchObject({ id: 'poison', verb: 'PUT', body });
    expect(fields.slice(-6).map(String)).toEqual(['entry', entryId, 'reason', 'cannot be read', 'deliveries', '6']);
    expect(await redis.xlen(keys.pushes)).toBe(0);
    expect(await redis.xpending(keys.pushes, CONSUMER_GROUP)).toEqual([0, null, null, null]);
    expect(await told()).toEqual(['pushes poison:x groups']);

    expect(await store.bury(redis, 0, entryId, 'again', 7), 'twice').toBe(false);
    expect(await redis.xlen(keys.dead)).toBe(1);
  });

  test.for<[what: string, arrange: (entryId: string) => Promise<unknown>, inLog: number]>([
    ['was merged', async () => await store.merge(redis, 0, await deliver()), 0],
    ['was not delivered', async () => await Promise.resolve(), 1],
    ['was deleted by hand', async (id) => [await deliver(), await redis.xdel(keys.pushes, id)], 0],
  ])('nothing happens to one that %s', async ([, arrange, inLog]) => {
    const entryId = await append('PUT');
    await arrange(entryId);
    const before = await told();
    expect(await store.bury(redis, 0, entryId, 'reason', 1)).toBe(false);
    expect(await redis.xlen(keys.dead)).toBe(0);
    expect(await redis.xlen(keys.pushes)).toBe(inLog);
    expect(await redis.xpending(keys.pushes, CONSUMER_GROUP)).toEqual([0, null, null, null]);
    expect(await told()).toEqual(before);
  });

  test('what was not written by a gateway', async () => {
    const entryId = String(await redis.xadd(keys.pushes, '*', 'hello', 'world'));
    await redis.xreadgroup('GROUP', CONSUMER_GROUP, 'me', 'STREAMS', keys.pushes, '>');
    expect(await store.bury(redis, 0, entryId, 'no version', 1)).toBe(true);
    expect(await redis.xlen(keys.dead)).toBe(1);
    expect(await told()).toEqual([]);
  });
});

describe('drop-consumer', () => {
  test.for<[what: string, name: string, pending: number, idleMs: number, isDropped: boolean]>([
    ['idle for long enough', 'old', 0, 0, true],
    ['not idle for long enough', 'old', 0, HOUR_MS, false],
    ['something is pending', 'old', 1, 0, false],
    ['there is none of that name', 'older', 0, 0, false],
  ])('%s', async ([, name, pending, idleMs, isDropped]) => {
    await redis.xgroup('CREATECONSUMER', keys.pushes, CONSUMER_GROUP, 'old');
    await redis.xgroup('CREATECONSUMER', keys.pushes, CONSUMER_GROUP, 'other');
    for (let i = 0; i < pending; i++) await append('PUT');
    await deliver('old');
    expect(await consumer.dropConsumer(redis, 0, name, idleMs)).toBe(isDropped);
    expect(await consumers()).toEqual(isDropped ? ['other'] : ['old', 'other']);
    expect(await redis.xpending(keys.pushes, CONSUMER_GROUP)).toMatchObject({ 0: pending });
  });
});

describe('merge', () => {
  describe('a push that was appended twice, and a DELETE between', () => {
    test('the first one counts', async () => {
      const { first, others, second } = await appendTwice();
      expect(await store.merge(redis, 0, [first])).toEqual(['applied']);
      await store.merge(redis, 0, others);
      expect(await store.merge(redis, 0, [second])).toEqual(['duplicate']);
      expect(await content()).toBe('');
      expect((await told()).filter((line) => line.includes('twice'))).toHaveLength(2);
    });

    test.for([0, 250])('and so it does when the second is merged first, %d others pending', async (before) => {
      const { first, others, second } = await appendTwice(before);
      expect(await store.merge(redis, 0, [second])).toEqual(['duplicate']);
      expect(await told(), 'not settled yet').toEqual([]);
      await store.merge(redis, 0, others);
      expect(await store.merge(redis, 0, [first])).toEqual(['superseded']);
      expect(await content()).toBe('');
      expect((await told()).join(' ')).toContain('twice:s');
    });

    test('in one batch, the wrong way round', async () => {
      const { first, others, second } = await appendTwice();
      expect(await store.merge(redis, 0, [second, ...others, first])).toEqual(['duplicate', 'applied', 'applied']);
      expect(await content()).toBe('');
    });

    test('the first went to the dead letters', async () => {
      const { first, second } = await appendTwice();
      await store.bury(redis, 0, first.entryId, 'poison', 6);
      expect(await store.merge(redis, 0, [second])).toEqual(['duplicate']);
      expect(await content()).toBe('');
    });

    test('the first never arrived', async () => {
      const { first, second } = await appendTwice();
      await redis.xack(keys.pushes, CONSUMER_GROUP, first.entryId);
      await redis.xdel(keys.pushes, first.entryId);
      expect(await store.merge(redis, 0, [second])).toEqual(['applied']);
      expect(await content()).toBe('a{instance="",job="j"} 1\n');
    });
  });

  test('what expired does not make way for what is older in the same batch', async () => {
    await append('FAIL', { leftMs: -HOUR_MS });
    await append('PUT', { body: 'a 1\n' });
    await append('PUT', { body: 'a 2\n', leftMs: -HOUR_MS });
    const [failed, old, expired] = (await deliver()) as [PreparedPush, PreparedPush, PreparedPush];
    await store.merge(redis, 0, [expired]);
    await store.merge(redis, 0, [failed, old]);
    expect(await content()).not.toContain(' 1\n');
    await store.sweep(redis, 0, 10);
    expect(await exists()).toEqual(NEITHER);
  });

  test('a push with thousands of families, in one piece', async () => {
    const body = Array.from({ length: 9_000 }, (_, i) => `family_${i} ${i}\n`).join('');
    await append('PUT', { body });
    await append('POST', { body: body.replaceAll(' ', '{more="1"} ') });
    const [put, post] = await deliver();
    expect(await store.merge(redis, 0, [post as PreparedPush])).toEqual(['applied']);
    expect(await store.merge(redis, 0, [put as PreparedPush])).toEqual(['applied']);
    const lines = (await content()).split('\n').slice(0, -1);
    expect(lines).toHaveLength(9_000);
    expect(lines.every((line) => line.includes('more="1"'))).toBe(true);
  });

  test('a push with more families than a call has room for arguments', async () => {
    const count = 100_000;
    await append('PUT', { body: Array.from({ length: count }, (_, i) => `family_${i} 1\n`).join('') });
    expect(await store.merge(redis, 0, await deliver())).toEqual(['applied']);
    const [record] = await store.load(redis, 0, [groupId()]);
    expect(record?.families.size).toBe(count);
  });

  test('goes on while Redis is full: what it acknowledges makes room', async () => {
    await append('PUT', { body: 'a 1\n' });
    const [first] = await deliver();
    await append('PUT', { job: 'poison' });
    const poison = await deliverOne();
    await redis.config('SET', 'maxmemory', '1');
    try {
      await expect(append('PUT')).rejects.toThrow('OOM');
      expect(await store.merge(redis, 0, [first as PreparedPush])).toEqual(['applied']);
      expect(await store.bury(redis, 0, poison.entryId, 'reason', 6)).toBe(true);
    } finally {
      await redis.config('SET', 'maxmemory', '0');
    }
    expect(await content()).toBe('a{instance="",job="j"} 1\n');
    expect(await redis.xlen(keys.dead)).toBe(1);
  });

  test('Redis has forgotten the script', async () => {
    await append('PUT', { body: 'a 1\n' });
    await redis.script('FLUSH');
    expect(await store.merge(redis, 0, await deliver())).toEqual(['applied']);
  });

  test('the expiry of the key is the deadline, for ever is none', async () => {
    const start = Date.now();
    await append('PUT', { leftMs: HOUR_MS, body: 'a 1\n' });
    await append('POST', { job: 'k', leftMs: Infinity, body: 'a 1\n' });
    await store.merge(redis, 0, await deliver());
    const expiresAt = await redis.pexpiretime(keys.group(groupId()));
    expect(expiresAt - start).toBeGreaterThanOrEqual(HOUR_MS);
    expect(expiresAt - start).toBeLessThan(HOUR_MS + 5_000);
    expect(await redis.zscore(keys.groups, groupId())).toBe(String(expiresAt));
    expect(await redis.pexpiretime(keys.group(groupId('k')))).toBe(-1);
    expect(await redis.zscore(keys.groups, groupId('k'))).toBe('inf');
  });
});
