import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { makeGroup } from '../../../shared/model/group.ts';
import { encodeLabels } from '../../../shared/model/labels.ts';
import { DeadLetters } from '../../../shared/redis/log/dead-letters.ts';
import { GroupStore, keepChangesMs, type MergeResult } from '../../../shared/redis/groups/group-store.ts';
import type { ShardKeys } from '../../../shared/redis/keys.ts';
import { makeKeyspace } from '../../support/redis/keyspace.ts';
import { encodePush } from '../../../shared/records/push-record.ts';
import { Script } from '../../../shared/redis/scripts/scripts.ts';
import type { GroupContent, Push, Verb } from '../../../shared/records/push.ts';
import { stampOf } from '../../support/stamp.ts';
import { startRedis, type RedisServer } from '../../support/redis/server.ts';
import { hold } from '../../support/process/resources.ts';

// Each script on a real Redis, case by case. What order and batches do to merge.lua: test/property/merge-model.test.ts.

let server: RedisServer;
let redis: Redis;
let keys: ShardKeys;
let store: GroupStore;
let deadLetters: DeadLetters;
let broken: string[];
let serial = 0;

beforeAll(async () => {
  server = await startRedis({ args: ['--appendonly', 'no'] });
  redis = new Redis({ port: server.port, protocol: 2, replyMapping: 'legacy' });
  hold('redis client', async () => await Promise.resolve(redis.disconnect()));
});

beforeEach(() => {
  const keyspace = makeKeyspace(`scripts${serial++}`, 1);
  [keys] = keyspace.shards as [ShardKeys];
  broken = [];
  store = new GroupStore(keyspace, (group, error) => broken.push(`${group}: ${error.message}`));
  deadLetters = new DeadLetters(keyspace);
});

const HOUR_MS = 3_600_000;
const ALL = { pushes: 1_000, bytes: 1_000_000_000 };

interface PushOptions {
  readonly id?: string;
  readonly kind?: 'push' | 'ingest';
  /** One for each group; default one. */
  readonly jobs?: readonly string[];
  /** `a 1\n` for each family. */
  readonly body?: string;
  /** Below 0: it has expired so long ago. */
  readonly leftMs?: number;
  readonly since?: string;
  /** Stream ID. */
  readonly entry?: string;
  /** Instead of what it would be. */
  readonly fields?: Readonly<Record<string, string | Buffer | undefined>> | undefined;
}

function groupOf(job: string, body: string): GroupContent {
  const { id: groupId, labels } = makeGroup('push', [['job', job]]);
  const lines = body === '' ? [] : body.trimEnd().split('\n');
  const families = lines.map((line) => {
    const content = { type: 'untyped' as const, samples: 1, help: '', text: `${line}\n` };
    return { name: line.split(/[ {]/, 1)[0] ?? '', content };
  });
  return { groupId, labels: encodeLabels(labels), families };
}

/** Returns its stream ID. */
async function append(verb: Verb, options: PushOptions = {}): Promise<string> {
  const { id = `push.${serial++}`, jobs = ['j'], body = '', leftMs = HOUR_MS, since = '', entry = '*' } = options;
  const push: Push = {
    id,
    verb,
    kind: options.kind ?? 'push',
    arrivalMs: Date.now() - 2 * HOUR_MS,
    ttlMs: leftMs === Infinity ? 0 : leftMs + 2 * HOUR_MS,
    groups: verb === 'WIPE' ? [] : jobs.map((job) => groupOf(job, body)),
  };
  const encoded = encodePush(push);
  if (since !== '') encoded.markResent(since);
  const fields = new Map<string, string | number | Buffer>();
  for (let i = 0; i < encoded.fields.length; i += 2) {
    fields.set(String(encoded.fields[i]), encoded.fields[i + 1] ?? '');
  }
  for (const [name, value] of Object.entries(options.fields ?? {})) {
    if (value === undefined) fields.delete(name);
    else fields.set(name, value);
  }
  return String(await redis.xadd(keys.pushes, entry, ...[...fields].flat()));
}

async function merge(most: Partial<typeof ALL> = {}): Promise<MergeResult> {
  return await store.merge(redis, 0, { ...ALL, ...most });
}

async function outcomes(most: Partial<typeof ALL> = {}): Promise<string[]> {
  return (await merge(most)).pushes.map(({ outcome }) => outcome);
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

/** All samples of the group, sorted. */
const content = async (job?: string): Promise<string> => {
  const [record] = await store.load(redis, 0, [groupId(job)]);
  const texts = [...(record?.families.values() ?? [])].map(({ text }) => text.toString());
  return texts.toSorted().join('');
};

/** Everything that is stored, to see whether it changes. */
async function everything(): Promise<string[]> {
  const names = (await redis.keys(`${keys.groups.slice(0, -'groups'.length)}*`)).toSorted();
  return await Promise.all(names.map(async (name) => `${name} ${(await redis.dumpBuffer(name))?.toString('hex')}`));
}

describe('merge', () => {
  test('nothing in the log: nothing is told', async () => {
    expect(await merge()).toEqual({ pushes: [], left: 0, deadLetters: [] });
    expect(await told()).toEqual([]);
  });

  test('tells what became of each push, when the log took it, and which groups changed', async () => {
    const appended = [
      await append('PUT', { id: 'one', body: 'a 1\n' }),
      await append('PUT', { id: 'two', body: 'a 2\n' }),
      await append('POST', { id: 'three', kind: 'ingest', jobs: ['k', 'l'], body: 'a 3\n' }),
    ];
    const { pushes, left, deadLetters: dead } = await merge();
    expect(pushes.map(({ outcome }) => outcome)).toEqual(['superseded', 'applied', 'applied']);
    expect(pushes.map(({ appendedMs }) => appendedMs)).toEqual(appended.map((id) => Number(id.split('-')[0])));
    expect({ left, dead }).toEqual({ left: 0, dead: [] });
    const groups = ['j', 'k', 'l'].map(groupId).join(' ');
    expect(await told()).toEqual([`pushes one:s two:a three:a groups ${groups}`]);
    expect([await content('j'), await content('k'), await content('l')]).toEqual(['a 2\n', 'a 3\n', 'a 3\n']);
    const [record] = await store.load(redis, 0, [groupId('k')]);
    const stamp = stampOf(appended[2] ?? '');
    expect([record?.top, record?.families.get('a')?.stamp]).toEqual([stamp, stamp]);
  });

  test('a DELETE and a WIPE tell of every group that is no more', async () => {
    await append('PUT', { jobs: ['j'], body: 'a 1\n' });
    await append('PUT', { jobs: ['k'], body: 'a 1\n' });
    await append('PUT', { jobs: ['l'], body: 'a 1\n' });
    await merge();
    await append('DELETE', { jobs: ['k'] });
    await merge();
    await append('WIPE');
    await merge();
    const [, deleted, wiped] = (await told()).map((line) => line.split(' ').slice(3).toSorted());
    expect(deleted).toEqual([groupId('k')]);
    expect(wiped).toEqual([groupId('j'), groupId('l')].toSorted());
    expect(await redis.keys(`${keys.group('')}*`)).toEqual([]);
  });

  test('what a WIPE of the same take replaces is told, too: whoever took the push counts on its group', async () => {
    await append('POST', { id: 'before', jobs: ['k'], body: 'a 2\n' });
    await append('WIPE', { id: 'wipe' });
    expect(await outcomes()).toEqual(['superseded', 'applied']);
    expect((await told()).join()).toBe(`pushes before:s wipe:a groups ${groupId('k')}`);
  });

  test('Redis has forgotten the script', async () => {
    await append('PUT', { body: 'a 1\n' });
    await redis.script('FLUSH');
    expect(await outcomes()).toEqual(['applied']);
  });

  test('the expiry of the key is the deadline, for ever is none', async () => {
    const start = Date.now();
    await append('PUT', { leftMs: HOUR_MS, body: 'a 1\n' });
    await append('POST', { jobs: ['k'], leftMs: Infinity, body: 'a 1\n' });
    await merge();
    const expiresAt = await redis.pexpiretime(keys.group(groupId()));
    expect(expiresAt - start).toBeGreaterThanOrEqual(HOUR_MS);
    expect(expiresAt - start).toBeLessThan(HOUR_MS + 5_000);
    expect(await redis.zscore(keys.groups, groupId())).toBe(String(expiresAt));
    expect(await redis.pexpiretime(keys.group(groupId('k')))).toBe(-1);
    expect(await redis.zscore(keys.groups, groupId('k'))).toBe('inf');
  });

  test('a family that has expired is forgotten by the next push, also when that does not concern it', async () => {
    await append('POST', { body: 'a 1\n', leftMs: HOUR_MS });
    await append('POST', { body: 'b 1\n', leftMs: 150 });
    await merge();
    const stored = async () => (await redis.hkeys(keys.group(groupId()))).filter((name) => name.startsWith('f:'));
    expect((await stored()).toSorted()).toEqual(['f:a', 'f:b']);
    await sleep(160);
    await append('POST', { body: 'c 1\n', leftMs: 2 * HOUR_MS });
    await merge();
    expect((await stored()).toSorted()).toEqual(['f:a', 'f:c']);
  });

  test('and so is one that was the first in its group', async () => {
    await append('PUT', { leftMs: 100 });
    await append('POST', { body: 'a 1\n', leftMs: 150 });
    await append('POST', { body: 'b 1\n', leftMs: HOUR_MS });
    await merge();
    expect(await redis.hexists(keys.group(groupId()), 'f:a')).toBe(1);
    await sleep(160);
    await append('POST', { body: 'c 1\n', leftMs: 2 * HOUR_MS });
    await merge();
    expect(await redis.hexists(keys.group(groupId()), 'f:a')).toBe(0);
  });
});

describe('merge takes', () => {
  test('the oldest, so many at a time', async () => {
    for (let i = 0; i < 10; i++) await append('PUT', { jobs: [`j${i}`], body: 'a 1\n' });
    expect(await merge({ pushes: 4 })).toMatchObject({ left: 6, pushes: { length: 4 } });
    expect(await redis.zcard(keys.groups)).toBe(4);
    expect(await exists('j3')).toEqual(BOTH);
    expect(await merge({ pushes: 4 })).toMatchObject({ left: 2, pushes: { length: 4 } });
    expect(await merge({ pushes: 4 })).toMatchObject({ left: 0, pushes: { length: 2 } });
  });

  test('so many bytes at a time, but at least one push, however large', async () => {
    const body = `a{x="${'x'.repeat(10_000)}"} 1\n`;
    for (let i = 0; i < 6; i++) await append('PUT', { jobs: [`j${i}`], body });
    expect(await merge({ bytes: 1 })).toMatchObject({ left: 5, pushes: { length: 1 } });
    expect(await merge({ bytes: 25_000 })).toMatchObject({ left: 2, pushes: { length: 3 } });
    expect(await merge({ bytes: 25_000 })).toMatchObject({ left: 0, pushes: { length: 2 } });
  });

  test('not more bytes because those before were small', async () => {
    for (let i = 0; i < 40; i++) await append('PUT', { jobs: [`small${i}`], body: 'a 1\n' });
    for (let i = 0; i < 60; i++) await append('PUT', { jobs: [`j${i}`], body: `a{x="${'x'.repeat(10_000)}"} 1\n` });
    expect(await merge({ bytes: 30_000 })).toMatchObject({ pushes: { length: 43 } });
  });

  test('thousands of pushes in one step', async () => {
    const pipeline = redis.pipeline();
    const count = 12_000;
    for (let i = 0; i < count; i++) {
      const push: Push = { id: `p.${i}`, verb: 'PUT', kind: 'push', arrivalMs: Date.now(), ttlMs: 0, groups: [] };
      pipeline.xadd(
        keys.pushes,
        '*',
        ...encodePush({ ...push, groups: [groupOf(`j${i % 9_000}`, `a ${i}\n`)] }).fields,
      );
    }
    await pipeline.exec();
    const { pushes, left } = await merge({ pushes: 20_000 });
    expect({ count: pushes.length, left }).toEqual({ count, left: 0 });
    expect(pushes.filter(({ outcome }) => outcome === 'superseded')).toHaveLength(3_000);
    expect(await redis.zcard(keys.groups)).toBe(9_000);
    expect(await content('j0')).toBe('a 9000\n');
  });

  test('a push with 10,000 families, in one piece', async () => {
    const lines = Array.from({ length: 10_000 }, (_, i) => `family_${i} ${i}\n`);
    await append('PUT', { body: lines.join('') });
    await append('POST', { body: lines.map((line) => line.replace(' ', '{more="1"} ')).join('') });
    expect(await outcomes({ pushes: 1 })).toEqual(['applied']);
    expect(await content()).toBe(lines.toSorted().join(''));
    expect(await outcomes()).toEqual(['applied']);
    const [record] = await store.load(redis, 0, [groupId()]);
    expect(record?.families.size).toBe(10_000);
    expect([...(record?.families.values() ?? [])].every(({ text }) => text.includes('more="1"'))).toBe(true);
  });

  test('a push of 16 MB, and one that brings 20,000 groups', async () => {
    const large = `a{x="${'x'.repeat(16_000_000)}"} 1\n`;
    await append('PUT', { body: large });
    await append('POST', {
      kind: 'ingest',
      jobs: Array.from({ length: 20_000 }, (_, i) => `g${i}`),
      body: 'a 1\nb 2\n',
    });
    expect(await outcomes()).toEqual(['applied', 'applied']);
    expect((await content()).length).toBe(large.length);
    expect(await redis.zcard(keys.groups)).toBe(20_001);
    expect(await content('g19999')).toBe('a 1\nb 2\n');
  });
});

describe('what cannot be merged goes to the dead letters, and its neighbours are merged', () => {
  const good = groupOf('bad', 'a 2\n');
  test.for<[what: string, fields: PushOptions['fields'], reason: RegExp | string]>([
    ['no field', { ttl: undefined }, 'cannot decode push: it has no field "ttl"'],
    ['no version', { v: undefined }, 'version "nil" is not 2'],
    ['other version', { v: '1' }, 'version "1" is not 2'],
    ['an unknown verb', { verb: 'PATCH' }, 'field "verb" is "PATCH"'],
    ['an unknown verb for no group', { verb: 'PATCH', body: '\n' }, 'field "verb" is "PATCH"'],
    ['an unknown kind', { kind: 'pull' }, 'field "kind" is "pull"'],
    ['an ID that would be two', { id: 'twice:a other' }, 'field "id" is "twice:a other"'],
    ['an arrival that is no time', { at: 'now' }, 'field "at" is "now"'],
    ['an arrival beyond all time', { at: '9'.repeat(16) }, 'field "at" is'],
    ['a TTL below zero', { ttl: '-1' }, 'field "ttl" is "-1"'],
    ['a since that is no stream ID', { since: 'x' }, 'field "since" is "x"'],
    ['a since beyond all time', { since: `${'9'.repeat(30)}-0` }, 'field "since" is'],
    ['a body without lengths', { body: 'a 1' }, 'lengths in its body do not add up'],
    ['a body of digits', { body: '1'.repeat(200_000) }, 'lengths in its body do not add up'],
    ['an empty body', { body: '' }, 'lengths in its body do not add up'],
    ['a body of one line', { body: '<html>\n' }, 'its body has no group'],
    [
      'a body that was cut short',
      { body: `22 11 1\n${good.groupId}${good.labels.slice(0, 3)}` },
      'lengths in its body do not add up',
    ],
    ['a body that is too long', { body: `22 2 1\n${good.groupId}[]0xyz` }, 'lengths in its body do not add up'],
    ['a body that lacks a family', { body: `22 2 1\n${good.groupId}[]1` }, /nil/],
    ['a body that ends in a group', { body: `22\n${good.groupId}` }, /nil/],
    ['a number of families that is none', { body: `22 2 1\n${good.groupId}[]x` }, /nil/],
  ])('%s', async ([, fields, reason]) => {
    await append('PUT', { body: 'a 1\n' });
    const entry = await append('PUT', { id: 'bad', jobs: ['bad'], body: 'a 2\n', fields });
    await append('POST', { body: 'b 3\n' });
    const { pushes, deadLetters: added } = await merge();
    expect(pushes.map(({ outcome }) => outcome)).toEqual(['applied', 'dead-lettered', 'applied']);
    expect(added).toEqual([{ entry, reason: expect.stringMatching(reason) as unknown }]);
    expect(await content()).toBe('a 1\nb 3\n');
    expect(await exists('bad')).toEqual(NEITHER);
    const [letter] = await deadLetters.list(redis, 10);
    expect(letter).toMatchObject({ attempts: 1, reason: added[0]?.reason, push: { entry } });
    // As it is, but the name of what cannot be an ID.
    const name = fields?.['id'] === undefined ? 'bad' : entry;
    expect((await told()).join()).toMatch(new RegExp(`^pushes \\S+:a ${name}:x \\S+:a groups `));
    expect(await redis.xlen(keys.pushes)).toBe(0);
  });

  test('fields of somebody else, thousands of them, and those that the script has of its own', async () => {
    await append('PUT', { body: 'a 1\n' });
    await redis.xadd(keys.pushes, '*', 'hello', 'world');
    await redis.xadd(keys.pushes, '*', ...Array.from({ length: 9_000 }, (_, i) => `f${i}`));
    const own = { entry: 'x', fields: 'x', fault: 'x', is_superseded: 'x', replaces: 'x', ms: 'x', deadline: 'x' };
    await append('POST', { body: 'b 1\n', fields: own });
    expect(await outcomes()).toEqual(['applied', 'dead-lettered', 'dead-lettered', 'applied']);
    expect(await content()).toBe('a 1\nb 1\n');
    expect(await redis.xlen(keys.dead)).toBe(2);
  });

  test('an entry with an ID of long ago', async () => {
    await redis.xadd(keys.pushes, '5-1', 'hello', 'world');
    await append('PUT', { body: 'a 1\n' });
    expect(await outcomes({ pushes: 1 })).toEqual(['dead-lettered']);
    expect(await outcomes()).toEqual(['applied']);
    expect(await told()).toHaveLength(2);
  });

  test('somebody put another type of key in the place of its group', async () => {
    await redis.set(keys.group(groupId('other')), 'not a hash');
    await append('PUT', { body: 'a 1\n' });
    for (const verb of ['PUT', 'POST', 'FAIL'] as const) {
      await append(verb, { id: `bad.${verb}`, jobs: ['other'], body: verb === 'FAIL' ? '' : 'a 2\n' });
    }
    await append('POST', { body: 'b 3\n' });
    const { pushes, deadLetters: added } = await merge();
    const dead = 'dead-lettered';
    expect(pushes.map(({ outcome }) => outcome)).toEqual(['applied', dead, dead, dead, 'applied']);
    for (const { reason } of added) expect(reason).toContain('WRONGTYPE');
    expect(await content()).toBe('a 1\nb 3\n');
    expect(await redis.get(keys.group(groupId('other')))).toBe('not a hash');
    // Whoever waits for it, and whoever has counted on it, looks again.
    expect((await told()).join()).toContain(groupId('other'));

    await append('DELETE', { jobs: ['other'] });
    expect(await outcomes()).toEqual(['applied']);
    expect(await exists('other')).toEqual(NEITHER);
  });

  test.for(['PUT', 'DELETE'] as const)('what a %s replaces that cannot be applied is applied itself', async (verb) => {
    await append('PUT', { id: 'one', body: 'a 1\n' });
    await append('POST', { id: 'two', body: 'b 2\n' });
    await append('POST', { id: 'three', body: 'b 3\n' });
    await append(verb, { id: 'bad', fields: { body: `22 2 1\n${groupId()}[]9` } });
    await append('POST', { id: 'last', body: 'c 4\n' });
    expect(await outcomes()).toEqual(['applied', 'applied', 'applied', 'dead-lettered', 'applied']);
    expect(await content()).toBe('a 1\nb 3\nc 4\n');
  });

  test('a hash that no gateway wrote makes way for a push', async () => {
    await redis.hset(keys.group(groupId()), { meta: 'nonsense', 'f:a': 'nonsense', more: 'nonsense' });
    await redis.hset(keys.group(groupId('k')), { 'f:b': 'nonsense' });
    await append('POST', { body: 'b 1\n' });
    await append('POST', { jobs: ['k'], body: 'a 1\n' });
    expect(await outcomes()).toEqual(['applied', 'applied']);
    expect(await content()).toBe('b 1\n');
    expect(await content('k')).toBe('a 1\n');
    expect(broken).toEqual([]);
  });

  test('a family that no gateway wrote makes way, too, when its group is gone through', async () => {
    await append('POST', { body: 'a 1\n' });
    await merge();
    await redis.hset(keys.group(groupId()), { 'f:b': 'nonsense' });
    await append('POST', { body: 'c 1\n', leftMs: 1_000 });
    expect(await outcomes()).toEqual(['applied']);
    expect(await content()).toBe('a 1\nc 1\n');
  });
});

describe('a key of the shard that holds something else', () => {
  test.for(['groups', 'changes', 'dead', 'dropped'] as const)(
    '%s: refused before anything is written',
    async (which) => {
      await append('PUT', { body: 'a 1\n' });
      await append('PUT', { jobs: ['k'], fields: { v: '9' } });
      await redis.hset(keys[which], { not: 'ours' });
      const before = await everything();
      await expect(merge()).rejects.toThrow(`WRONGTYPE ${keys[which]} holds a hash, not a `);
      expect(await everything()).toEqual(before);
      await redis.del(keys[which]);
      expect(await outcomes()).toEqual(['applied', 'dead-lettered']);
    },
  );

  test('pushes: says so', async () => {
    await redis.set(keys.pushes, 'not ours');
    await expect(merge()).rejects.toThrow(`WRONGTYPE ${keys.pushes} holds a string, not a stream`);
    await expect(store.bury(redis, 0, 'reason', 1)).rejects.toThrow('WRONGTYPE');
  });

  test.for(['changes', 'dead'] as const)('%s: bury writes nothing either', async (which) => {
    await append('PUT');
    await redis.set(keys[which], 'not ours');
    const before = await everything();
    await expect(store.bury(redis, 0, 'reason', 1)).rejects.toThrow('WRONGTYPE');
    expect(await everything()).toEqual(before);
  });
});

describe('a right that is missing', () => {
  const needed =
    'hget hmget hgetall hlen hset hdel del pexpireat persist zadd zrem zrange xadd xrevrange xtrim set xdel xlen'.split(
      ' ',
    );

  test.each(needed)('%s: nothing is taken until it is there', async (command) => {
    const name = `worker${serial}`;
    await redis.call('ACL', ['SETUSER', name, 'on', '>secret', '~*', '+@all', `-${command}`]);
    const limited = redis.duplicate({ username: name, password: 'secret' });
    hold('limited client', async () => await Promise.resolve(limited.disconnect()));
    await append('PUT', { body: 'a 1\n' });
    await expect(store.merge(limited, 0, ALL)).rejects.toThrow(
      `NOPERM our user may not run ${command.toUpperCase()} on`,
    );
    expect([await redis.xlen(keys.pushes), await redis.xlen(keys.dead), await exists()]).toEqual([1, 0, NEITHER]);
    await redis.call('ACL', ['SETUSER', name, `+${command}`]);
    expect(await store.merge(limited, 0, ALL)).toMatchObject({ pushes: [{ outcome: 'applied' }] });
  });
});

describe('a push that was appended twice, and a DELETE between', () => {
  const appendTwice = async (): Promise<void> => {
    await append('PUT', { id: 'twice', body: 'a 1\n' });
    await append('DELETE');
    await append('PUT', { id: 'twice', body: 'a 1\n', since: '0-0' });
  };

  test('in one take', async () => {
    await appendTwice();
    expect(await outcomes()).toEqual(['superseded', 'applied', 'duplicate']);
    expect(await content()).toBe('');
    expect((await told()).join()).toMatch(/twice:s \S+:a twice:d/);
  });

  test('one after the other', async () => {
    await appendTwice();
    expect(await outcomes({ pushes: 1 })).toEqual(['applied']);
    expect(await outcomes({ pushes: 1 })).toEqual(['applied']);
    expect(await outcomes({ pushes: 1 })).toEqual(['duplicate']);
    expect(await content()).toBe('');
  });

  test('three times', async () => {
    await appendTwice();
    await append('PUT', { id: 'twice', body: 'a 1\n', since: '0-0' });
    expect(await outcomes({ pushes: 3 })).toEqual(['superseded', 'applied', 'duplicate']);
    expect(await outcomes()).toEqual(['duplicate']);
  });

  test('the first went to the dead letters', async () => {
    await appendTwice();
    await store.bury(redis, 0, 'poison', 5);
    expect(await outcomes()).toEqual(['applied', 'duplicate']);
    expect(await content()).toBe('');
  });

  test('the first never arrived', async () => {
    await append('DELETE');
    await append('PUT', { id: 'twice', body: 'a 1\n', since: '0-0' });
    expect(await outcomes()).toEqual(['applied', 'applied']);
    expect(await content()).toBe('a 1\n');
  });

  test('what is told of before `since` is of another push', async () => {
    const nowMs = Date.now();
    // A master that took over may have begun again a little before.
    await redis.xadd(keys.changes, `${nowMs - 60_000}-0`, 'pushes', 'before:a', 'groups', '');
    await redis.xadd(keys.changes, `${nowMs - 20_000}-0`, 'pushes', 'margin:a', 'groups', '');
    await append('PUT', { id: 'before', body: 'a 1\n', since: `${nowMs}-0` });
    await append('POST', { id: 'margin', body: 'a 2\n', since: `${nowMs}-0` });
    expect(await outcomes()).toEqual(['applied', 'duplicate']);
  });

  test('a master that took over had lost the last changes, and its clock is behind: a little before `since` counts', async () => {
    await append('PUT', { id: 'twice', body: 'a 1\n' });
    await append('DELETE');
    await merge();
    await append('PUT', { id: 'twice', body: 'a 1\n', since: `${Date.now() + 20_000}-0` });
    expect(await outcomes()).toEqual(['duplicate']);
  });

  test('nothing since was dropped, though all that was before', async () => {
    await append('DELETE');
    await redis.set(keys.dropped, '1700000000000-3');
    await append('PUT', { id: 'twice', body: 'a 1\n', since: '1700000000000-3' });
    expect(await outcomes()).toEqual(['applied', 'applied']);
  });

  test('it is not known any more whether the first took effect: to the dead letters, once', async () => {
    await redis.set(keys.dropped, '1700000000000-4');
    await append('PUT', { id: 'twice', body: 'a 1\n', since: '1700000000000-3' });
    await append('PUT', { id: 'twice', body: 'a 1\n', since: '1700000000000-3' });
    const { pushes, deadLetters: added } = await merge();
    expect(pushes.map(({ outcome }) => outcome)).toEqual(['dead-lettered', 'duplicate']);
    expect(added).toMatchObject([{ reason: expect.stringMatching(/^it was appended twice, so long ago/) as unknown }]);
    expect(await content()).toBe('');
    expect((await deadLetters.list(redis, 10)).map(({ reason }) => reason)).toHaveLength(1);
  });

  test('changes are kept for as long as pushes are held, and the newest that is dropped is remembered', async () => {
    const longAgo = Date.now() - 300_000;
    for (let i = 0; i < 10; i++) {
      await redis.xadd(keys.changes, `${longAgo + i * 20_000}-0`, 'pushes', `old.${i}:a`, 'groups', '');
    }
    const patient = new GroupStore(makeKeyspace(`scripts${serial - 1}`, 1), () => undefined, keepChangesMs(600_000));
    await append('POST', { body: 'a 1\n' });
    await patient.merge(redis, 0, ALL);
    expect(await redis.xlen(keys.changes)).toBe(11);
    expect(await redis.get(keys.dropped)).toBeNull();

    await append('POST', { body: 'a 2\n' });
    await merge();
    expect(await redis.xlen(keys.changes)).toBe(2);
    expect(await redis.get(keys.dropped)).toBe(`${longAgo + 180_000}-0`);
  });

  test('the workers were away for ten minutes between the two: it is the age of the log that counts', async () => {
    const longAgo = Date.now() - 600_000;
    const pipeline = redis.pipeline();
    pipeline.xadd(keys.changes, `${longAgo}-0`, 'pushes', 'twice:a', 'groups', groupId());
    for (let i = 1; i < 500; i++) pipeline.xadd(keys.changes, `${longAgo + i}-0`, 'pushes', `old.${i}:a`, 'groups', '');
    await pipeline.exec();
    // What was in the log behind it is merged only now.
    const at = (afterMs: number): string => `${longAgo + afterMs}-0`;
    await append('DELETE', { entry: at(1_000) });
    for (let i = 1; i < 10; i++) await append('POST', { entry: at(1_000 + i), jobs: ['other'], body: 'b 1\n' });
    await append('PUT', { entry: at(keepChangesMs(0)), id: 'twice', body: 'a 1\n', since: at(-1) });
    for (let i = 0; i < 10; i++) expect(await outcomes({ pushes: 1 })).toEqual(['applied']);
    expect(await outcomes({ pushes: 1 })).toEqual(['duplicate']);
    expect(await content()).toBe('');

    // Only what the log can no longer ask for is forgotten.
    await append('POST', { jobs: ['other'], body: 'b 1\n' });
    await merge();
    const [first] = (await redis.xrange(keys.changes, '-', '+', 'COUNT', 1)) as [string, string[]][];
    const [oldest] = first ?? [''];
    expect(Number(oldest.split('-')[0])).toBeGreaterThan(longAgo + 600_000 - keepChangesMs(0));
    expect(await redis.get(keys.dropped)).toBe(`${longAgo + 499}-0`);

    // And what then asks for it is not merged at a guess.
    await append('PUT', { id: 'old.5', body: 'a 1\n', since: at(-1) });
    await append('PUT', { id: 'new', jobs: ['new'], body: 'a 1\n', since: `${longAgo + 499}-0` });
    const { pushes, deadLetters: added } = await merge();
    expect(pushes.map(({ outcome }) => outcome)).toEqual(['dead-lettered', 'applied']);
    expect(added[0]?.reason).toMatch(/appended twice, so long ago that it is not known/);
    expect(await content()).toBe('');
  });

  test('the clock was put back, and stream IDs stay ahead of it: only so many are kept', async () => {
    const ahead = Date.now() + 24 * HOUR_MS;
    const most = 20_000;
    const pipeline = redis.pipeline();
    for (let i = 0; i < most + 1_500; i++) pipeline.xadd(keys.changes, `${ahead}-${i}`, 'pushes', '', 'groups', '');
    await pipeline.exec();
    const left: number[] = [];
    for (let i = 0; i < 3; i++) {
      await append('POST', { body: 'a 1\n' });
      await merge();
      left.push(await redis.xlen(keys.changes));
    }
    // Each merge adds its own after it has dropped some.
    expect(left).toEqual([most + 501, most + 1, most + 1]);
    const [first] = (await redis.xrange(keys.changes, '-', '+', 'COUNT', 1)) as [string, string[]][];
    expect(first?.[0]).toBe(`${ahead}-1502`);
    expect(await redis.get(keys.dropped)).toBe(`${ahead}-1501`);
  });

  test('for longer when pushes are held for longer', () => {
    expect([keepChangesMs(0), keepChangesMs(30_000), keepChangesMs(600_000.5)]).toEqual([90_000, 90_000, 660_001]);
  });
});

describe('Redis is full', () => {
  test('the log is drained all the same: what is taken makes room', async () => {
    await append('PUT', { id: 'poison', jobs: ['poison'] });
    for (let i = 0; i < 50; i++) await append('PUT', { jobs: [`j${i}`], body: `a{x="${'x'.repeat(2_000)}"} 1\n` });
    await append('PUT', { jobs: ['bad'], fields: { v: '9' } });
    await redis.config('SET', 'maxmemory', '1');
    try {
      await expect(append('PUT')).rejects.toThrow('OOM');
      expect(await store.bury(redis, 0, 'reason', 5)).not.toBe('');
      let left;
      do ({ left } = await merge({ pushes: 10, bytes: 10_000 }));
      while (left > 0);
    } finally {
      await redis.config('SET', 'maxmemory', '0');
    }
    expect(await redis.xlen(keys.pushes)).toBe(0);
    expect(await redis.zcard(keys.groups)).toBe(50);
    expect(await redis.xlen(keys.dead)).toBe(2);
    expect((await told()).join(' ')).toContain('poison:x');
  });
});

describe('sweep', () => {
  test.for<[what: string, verb: Verb, leftMs: number, left: typeof BOTH]>([
    ['a group in its time', 'PUT', HOUR_MS, BOTH],
    ['a group for ever', 'PUT', Infinity, BOTH],
    ['an expired group', 'PUT', -HOUR_MS, NEITHER],
    ['an expired failure', 'FAIL', -HOUR_MS, NEITHER],
    ['a failure in its time', 'FAIL', HOUR_MS, BOTH],
    ['a deleted group', 'DELETE', HOUR_MS, NEITHER],
  ])('%s', async ([, verb, leftMs, left]) => {
    await append(verb, { leftMs, body: verb === 'PUT' ? 'a 1\n' : '' });
    expect(await outcomes()).toEqual(['applied']);
    await store.sweep(redis, 0, 10);
    expect(await exists()).toEqual(left);
  });

  test('a group that Redis let expire leaves the index', async () => {
    await append('PUT', { leftMs: 20, body: 'a 1\n' });
    await merge();
    expect(await redis.zcard(keys.groups)).toBe(1);
    await sleep(30);
    expect(await exists()).toEqual({ key: false, index: true });
    expect(await store.sweep(redis, 0, 10)).toBe(1);
    expect(await exists()).toEqual(NEITHER);
  });

  test('a bounded number at a time', async () => {
    await redis.zadd(keys.groups, ...Array.from({ length: 7 }, (_, i) => [1 + i, `g${i}`]).flat(), '+inf', 'stays');
    expect(await store.sweep(redis, 0, 5)).toBe(5);
    expect(await store.sweep(redis, 0, 5)).toBe(2);
    expect(await store.sweep(redis, 0, 5)).toBe(0);
    expect(await redis.zrange(keys.groups, '0', '-1')).toEqual(['stays']);
  });
});

describe('bury', () => {
  test('the oldest push goes to the dead letters, whole', async () => {
    const body = randomBytes(300);
    const entry = await append('PUT', { id: 'poison', fields: { body } });
    await append('PUT', { id: 'next', body: 'a 1\n' });
    expect(await store.bury(redis, 0, 'cannot be merged', 6)).toBe(entry);

    const dead = await redis.xrangeBuffer(keys.dead, '-', '+');
    expect(dead).toHaveLength(1);
    const fields = dead[0]?.[1] ?? [];
    expect(fields.slice(0, 6).map(String)).toEqual(['entry', entry, 'reason', 'cannot be merged', 'attempts', '6']);
    expect(fields[fields.findIndex((field) => String(field) === 'body') + 1]).toEqual(body);
    expect(await told()).toEqual(['pushes poison:x groups']);
    expect(await outcomes()).toEqual(['applied']);
  });

  test('there is none', async () => {
    expect(await store.bury(redis, 0, 'reason', 1)).toBe('');
    expect(await redis.xlen(keys.dead)).toBe(0);
    expect(await told()).toEqual([]);
  });

  test('what was not written by a gateway', async () => {
    const entry = await redis.xadd(keys.pushes, '*', ...Array.from({ length: 9_000 }, (_, i) => `f${i}`));
    expect(await store.bury(redis, 0, 'no version', 1)).toBe(entry);
    expect(await redis.xlen(keys.dead)).toBe(1);
    expect(await redis.xlen(keys.pushes)).toBe(0);
    expect(await told()).toEqual([]);
  });
});

describe('dead letters', () => {
  const bury = async (options: PushOptions = {}): Promise<string> => {
    await append('PUT', { body: 'a 1\n', ...options });
    await store.bury(redis, 0, 'it was buried', 3);
    return (await deadLetters.list(redis, 1))[0]?.id ?? '';
  };

  test('a body is shown as text', async () => {
    const id = await bury({ id: 'p.1', jobs: ['j', 'k'], kind: 'ingest' });
    expect(await deadLetters.get(redis, id)).toMatchObject({
      reason: 'it was buried',
      attempts: 3,
      push: { v: '2', id: 'p.1', verb: 'PUT', kind: 'ingest' },
      body: '# {job="j"}\n# TYPE a untyped\na 1\n# {job="k"}\n# TYPE a untyped\na 1\n',
    });
  });

  test.for(['', 'no lengths', '1 2 3\nx', '22 2 1\nxxxxxxxxxxxxxxxxxxxxxx[]9', '9\n'])(
    'one that cannot be read, as it is: %j',
    async (body) => {
      const id = await bury({ fields: { body } });
      const letter = await deadLetters.get(redis, id);
      expect(letter?.body).toBe(body);
    },
  );

  test('replayed: a push that arrives now, under a new ID', async () => {
    const id = await bury({ id: 'p.1', since: '0-0' });
    await append('DELETE', { id: 'between' });
    await merge();
    const before = Date.now();
    expect(await deadLetters.replay(redis, id, 'p.2')).toBe(true);
    expect(await deadLetters.replay(redis, id, 'p.3'), 'twice').toBe(false);
    expect(await redis.xlen(keys.dead)).toBe(0);
    expect(await outcomes()).toEqual(['applied']);
    expect((await told()).at(-1)).toContain('p.2:a');
    const [record] = await store.load(redis, 0, [groupId()]);
    expect(record?.pushedMs).toBeGreaterThanOrEqual(before);
    expect(record?.untilMs).toBe((record?.pushedMs ?? 0) + 3 * HOUR_MS);
    expect(await content()).toBe('a 1\n');
  });

  test('replayed, and still what it was: it comes back', async () => {
    const id = await bury({ fields: { v: '9' } });
    expect(await deadLetters.replay(redis, id, 'p.2')).toBe(true);
    expect(await outcomes()).toEqual(['dead-lettered']);
    expect(await deadLetters.list(redis, 10)).toMatchObject([{ reason: expect.stringContaining('"9"') as string }]);
  });
});

test('backlog: pushes in the log, about their bytes, the oldest and the newest', async () => {
  const backlog = new Script('backlog');
  const look = async () => await backlog.run(redis, [keys.pushes], []);
  expect(await look()).toEqual([0, 0, '', '']);
  await append('PUT');
  const second = await append('PUT', { body: `a{x="${'x'.repeat(50_000)}"} 1\n` });
  const third = await append('PUT');
  await store.bury(redis, 0, 'reason', 1);
  const [length, bytes, oldest, newest] = (await look()) as [number, number, string, string];
  expect([length, oldest, newest]).toEqual([2, second, third]);
  expect(bytes).toBeGreaterThan(50_000);
  expect(bytes).toBeLessThan(150_000);
  await merge();
  expect(await look()).toEqual([0, 0, '', '']);
});

describe('a group that no gateway wrote', () => {
  const META = '- 0 0 0 0';
  test.for<[what: string, write: (key: string) => Promise<unknown>]>([
    ['another type', async (key) => await redis.set(key, 'x')],
    ['fields of somebody else', async (key) => await redis.hset(key, { name: 'value' })],
    ['no meta', async (key) => await redis.hset(key, { labels: 'push []' })],
    ['labels that are none', async (key) => await redis.hset(key, { labels: 'push {}', meta: META })],
    ['a family cut short', async (key) => await redis.hset(key, { labels: 'push []', meta: META, 'f:a': 'x' })],
  ])('%s: is told, and the others are loaded', async ([, write]) => {
    await append('PUT', { jobs: ['a'], body: 'a 1\n' });
    await append('PUT', { jobs: ['c'], body: 'c 1\n' });
    await merge();
    await write(keys.group(groupId('b')));
    const ids = ['a', 'b', 'c', 'd'].map(groupId);
    const records = await store.load(redis, 0, ids);
    expect(records.map((record) => record?.labels)).toEqual([[['job', 'a']], undefined, [['job', 'c']], undefined]);
    expect(broken).toEqual([expect.stringMatching(new RegExp(`^${groupId('b')}: `))]);
  });

  test('another fault of Redis is not taken for that', async () => {
    const name = `reader${serial}`;
    await redis.call('ACL', ['SETUSER', name, 'on', '>secret', '~*', '+@all', '-hgetall']);
    const limited = redis.duplicate({ username: name, password: 'secret' });
    hold('limited client', async () => await Promise.resolve(limited.disconnect()));
    await expect(store.load(limited, 0, [groupId()])).rejects.toThrow('NOPERM');
    expect(broken).toEqual([]);
  });
});
