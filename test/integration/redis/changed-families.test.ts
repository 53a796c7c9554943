import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { makeGroup } from '../../../shared/model/group.ts';
import { encodeLabels } from '../../../shared/model/labels.ts';
import { decodeChanges, type ChangeEntry } from '../../../shared/records/change-record.ts';
import { entriesOf } from '../../../shared/redis/reply.ts';
import { GroupFollower } from '../../../shared/redis/groups/group-follower.ts';
import { GroupStore } from '../../../shared/redis/groups/group-store.ts';
import type { Keyspace, ShardKeys } from '../../../shared/redis/keys.ts';
import { encodePush } from '../../../shared/records/push-record.ts';
import type { GroupRecord } from '../../../shared/records/group-record.ts';
import type { Verb } from '../../../shared/records/push.ts';
import { makeKeyspace } from '../../support/redis/keyspace.ts';
import { startRedis } from '../../support/redis/server.ts';
import { hold } from '../../support/process/resources.ts';

// Of a group with many families: what merge.lua tells of a change, and what families.lua reads then.

let redis: Redis;
let keyspace: Keyspace;
let keys: ShardKeys;
let store: GroupStore;
let serial = 0;

beforeAll(async () => {
  const server = await startRedis({ args: ['--appendonly', 'no'] });
  redis = new Redis({ port: server.port, protocol: 2, replyMapping: 'legacy' });
  hold('redis client', async () => await Promise.resolve(redis.disconnect()));
});

beforeEach(() => {
  keyspace = makeKeyspace(`families${serial++}`, 1);
  [keys] = keyspace.shards as [ShardKeys];
  store = new GroupStore(keyspace, (group, error) => expect.fail(`${group}: ${error.message}`));
});

const HOUR_MS = 3_600_000;
const MANY = Array.from({ length: 120 }, (_, i) => `many_${i}`);
const ODD = ['a b', 'größer', 'x\n1 2\n', 'labels', 'f:meta'];
const { id: ID, labels: LABELS } = makeGroup('push', [['job', 'j']]);

/** The value of every sample is the number of its push. */
let value = 0;

async function append(verb: Verb, names: readonly string[] = [], ttlMs = HOUR_MS, groupId = ID): Promise<void> {
  value++;
  const families = names.map((name) => {
    return { name, content: { type: 'gauge' as const, samples: 1, help: '', text: `${value}\n` } };
  });
  const groups = verb === 'WIPE' ? [] : [{ groupId, labels: encodeLabels(LABELS), families }];
  const { fields } = encodePush({ id: `p${serial++}`, verb, kind: 'push', arrivalMs: Date.now(), ttlMs, groups });
  await redis.xadd(keys.pushes, '*', ...fields);
}

async function merge(): Promise<void> {
  await store.merge(redis, 0, { pushes: 1_000, bytes: 1e9 });
}

async function push(...args: Parameters<typeof append>): Promise<void> {
  await append(...args);
  await merge();
}

const entries = async (): Promise<ChangeEntry[]> => entriesOf(await redis.xrange(keys.changes, '-', '+'));

/** What the newest change tells of the group. */
async function told(): Promise<readonly string[] | 'all' | undefined> {
  const { groupIds, families } = decodeChanges((await entries()).slice(-1));
  const names = families.get(ID);
  return names === undefined ? (groupIds.has(ID) ? 'all' : undefined) : [...names];
}

describe('merge tells', () => {
  const of = (count: number): string[] => MANY.slice(0, count);

  test.for<[what: string, before: string[], steps: [Verb, string[]][], expected: string[] | 'all']>([
    ['a POST to a group of few', of(20), [['POST', ['a']]], 'all'],
    ['a POST to a group of many', MANY, [['POST', ['a', 'many_3']]], ['a', 'many_3']],
    ['any names', MANY, [['POST', ODD]], ODD],
    ['a POST of too many of them', MANY, [['POST', of(40)]], 'all'],
    ['POSTs of too many of them together', MANY, [['POST', of(20)], ['POST', of(60).slice(20)]], 'all'], // prettier-ignore
    ['several POSTs', MANY, [['POST', ['a', 'b']], ['POST', ['b', 'c']]], ['a', 'b', 'c']], // prettier-ignore
    ['a POST of nothing', MANY, [['POST', []]], []],
    ['a failure', MANY, [['FAIL', []]], []],
    ['a failure and a POST', MANY, [['FAIL', []], ['POST', ['a']]], ['a']], // prettier-ignore
    ['a POST to a group that is new', [], [['POST', MANY]], 'all'],
    ['a PUT', MANY, [['PUT', ['a']]], 'all'],
    ['a PUT, then a POST', MANY, [['PUT', MANY], ['POST', ['a']]], 'all'], // prettier-ignore
    ['a POST, then a PUT', MANY, [['POST', ['a']], ['PUT', MANY]], 'all'], // prettier-ignore
    ['a DELETE', MANY, [['DELETE', []]], 'all'],
    ['a DELETE, then POSTs', MANY, [['DELETE', []], ['POST', MANY], ['POST', ['a']]], 'all'], // prettier-ignore
    ['a POST, then a WIPE', MANY, [['POST', ['a']], ['WIPE', []]], 'all'], // prettier-ignore
  ])('%s', async ([, before, steps, expected]) => {
    if (before.length > 0) await push('PUT', before);
    for (const [verb, names] of steps) await append(verb, names);
    await merge();
    expect(await told()).toEqual(expected);
  });

  test('one group of many and others, each as it is', async () => {
    const [one, other] = [makeGroup('push', [['job', 'one']]).id, makeGroup('push', [['job', 'other']]).id];
    await append('PUT', MANY);
    await append('PUT', MANY, HOUR_MS, other);
    await merge();
    await append('POST', ['x'], HOUR_MS, other);
    await append('POST', ['a'], HOUR_MS, one);
    await append('POST', ODD);
    await merge();
    const { groupIds, families } = decodeChanges((await entries()).slice(-1));
    expect([...groupIds]).toEqual([one]);
    expect(families).toEqual(new Map(Object.entries({ [other]: new Set(['x']), [ID]: new Set(ODD) })));
  });
});

describe('a group of many families, of which', () => {
  const names = async (): Promise<string[]> =>
    (await redis.hkeys(keys.group(ID))).filter((name) => name.startsWith('f:'));
  const livesMs = async (): Promise<number> => (await redis.pexpiretime(keys.group(ID))) - Date.now();

  test('one lives longer: the group lives as long, until that is replaced', async () => {
    await push('PUT', MANY);
    await push('POST', ['long'], 3 * HOUR_MS);
    await push('POST', ['a'], HOUR_MS);
    expect(await livesMs()).toBeGreaterThan(2 * HOUR_MS);
    await push('POST', ['long'], HOUR_MS);
    expect(await livesMs()).toBeLessThan(1.1 * HOUR_MS);
    await push('POST', ['long'], 0);
    await push('POST', ['a']);
    expect(await redis.pexpiretime(keys.group(ID))).toBe(-1);
    await push('POST', ['long']);
    expect(await livesMs()).toBeLessThan(1.1 * HOUR_MS);
  });

  test('none lives as long as an empty push: the next one ends that', async () => {
    await push('PUT', MANY);
    await push('POST', [], 3 * HOUR_MS);
    expect(await livesMs()).toBeGreaterThan(2 * HOUR_MS);
    await push('POST', ['a']);
    expect(await livesMs()).toBeLessThan(1.1 * HOUR_MS);
  });

  test('some expired: they are removed, in time', async () => {
    await push('PUT', MANY);
    await push('POST', ['short'], 20);
    await push('POST', ['shorter'], 10);
    await sleep(25);
    await push('POST', ['a']);
    expect((await names()).length).toBe(MANY.length + 1);
    expect(await told()).toEqual(['a']);
  });

  test('more are about to: all of it is not gone through for each of them', async () => {
    await push(
      'PUT',
      Array.from({ length: 10_000 }, (_, i) => `many_${i}`),
    );
    await push('POST', ['soon'], 300);
    const deadline = Number((await redis.hget(keys.group(ID), 'f:soon'))?.split(' ')[1]);
    await push('POST', ['sooner'], 10);
    await sleep(15);
    await push('POST', ['a']);
    const [, , , , lookAgain] = (await redis.hget(keys.group(ID), 'meta'))?.split(' ') ?? [];
    expect(Number(lookAgain)).toBeGreaterThan(deadline);
    expect(await redis.hexists(keys.group(ID), 'f:sooner')).toBe(0);
  });
});

describe('what changed is loaded', () => {
  let since: string;

  beforeEach(async () => {
    await push('PUT', MANY);
    await push('POST', ODD);
    since = (await entries()).at(-1)?.id ?? '';
  });

  const load = async (names: readonly string[] = ODD): Promise<GroupRecord | undefined> =>
    await store.loadChanged(redis, 0, ID, { names, since });

  /** Of each family that is there, the number of the push it comes from, counted from the last one. */
  const ages = (record: GroupRecord | undefined): Record<string, number> =>
    Object.fromEntries(
      Array.from(record?.families ?? [], ([name, { text }]) => [name, value - Number(text.toString())]),
    );
  const ofOdd = (age: number): Record<string, number> => Object.fromEntries(ODD.map((name) => [name, age]));

  test('the families, and what is known of the group', async () => {
    const [all] = await store.load(redis, 0, [ID]);
    const record = await load();
    expect(ages(record)).toEqual(ofOdd(0));
    expect(record).toEqual({ ...all, families: record?.families });
  });

  test('with those that changed since, at the same moment', async () => {
    await push('POST', [ODD[0] ?? '', 'a']);
    await push('FAIL');
    await push('POST', ['many_7'], HOUR_MS);
    await push('PUT', ['a'], HOUR_MS, makeGroup('push', [['job', 'other']]).id);
    const [all] = await store.load(redis, 0, [ID]);
    const record = await load();
    expect(ages(record)).toEqual({ ...ofOdd(4), [ODD[0] ?? '']: 3, a: 3, many_7: 1 });
    expect(record).toEqual({ ...all, families: record?.families });
  });

  test('thousands of them', async () => {
    const thousands = Array.from({ length: 9_000 }, (_, i) => `thousands_${i}`);
    await push('PUT', thousands);
    since = (await entries()).at(-1)?.id ?? '';
    expect(Object.keys(ages(await load(thousands)))).toEqual(thousands);
  });

  test.for<[what: string, since: () => Promise<unknown>]>([
    ['a PUT', async () => await push('PUT', [...MANY, ...ODD])],
    ['a DELETE', async () => await push('DELETE')],
    ['a POST of too many of them', async () => await push('POST', MANY)],
    [
      'a change that tells of no families, as an older worker would',
      async () => await redis.xadd(keys.changes, '*', 'pushes', 'p:a', 'groups', `x ${ID}`),
    ],
    [
      'a change that tells only of those of another group',
      async () => await redis.xadd(keys.changes, '*', 'pushes', 'p:a', 'groups', ID, 'families', '1 1\nx0'),
    ],
    ['a gap', async () => await redis.xdel(keys.changes, since)],
    [
      'a gap, and a change',
      async () => {
        await push('POST', ['a']);
        await redis.xdel(keys.changes, since);
      },
    ],
    ['the end of the group', async () => await redis.del(keys.group(ID))],
    ['something else in its place', async () => await redis.set(keys.group(ID), 'x')],
    ['something that is no family', async () => await redis.hset(keys.group(ID), `f:${ODD[0]}`, 'x')],
    ['no meta', async () => await redis.hdel(keys.group(ID), 'meta')],
    ['an end of one family', async () => await redis.hdel(keys.group(ID), `f:${ODD[1]}`)],
    [
      'more changes than are looked through',
      async () => {
        const pipeline = redis.pipeline();
        for (let i = 0; i < 1_000; i++) pipeline.xadd(keys.changes, '*', 'pushes', 'p:a', 'groups', '');
        await pipeline.exec();
      },
    ],
  ])('not after %s: then all of it has to be', async ([, change]) => {
    await change();
    expect(await load()).toBeUndefined();
  });
});

describe('those who follow', () => {
  interface Sink {
    /** What it was brought: families, or all of the group. */
    readonly brought: (readonly string[] | 'all' | 'none')[];
    isEnough: boolean;
  }

  /** Tells two of them of the newest change, of whom the second may say that it was not enough. */
  async function follow(isEnough = true): Promise<Sink['brought'][]> {
    const follower = new GroupFollower(store, keyspace);
    const sinks: Sink[] = [true, isEnough].map((enough) => ({ brought: [], isEnough: enough }));
    for (const sink of sinks) {
      follower.add({
        ids: () => [],
        set: (_id, record) => sink.brought.push(record === undefined ? 'none' : 'all'),
        update: (_id, { families }) => {
          sink.brought.push([...families.keys()]);
          return sink.isEnough;
        },
      });
    }
    await follower.changes(redis, 0, decodeChanges((await entries()).slice(-1)));
    return sinks.map(({ brought }) => brought);
  }

  beforeEach(async () => {
    await push('PUT', MANY);
    await push('POST', ['a', 'b']);
  });

  test('are brought the families', async () => {
    expect(await follow()).toEqual([[['a', 'b']], [['a', 'b']]]);
  });

  test('are brought all of it, if that is not enough for one of them', async () => {
    const brought = [['a', 'b'], 'all'];
    expect(await follow(false)).toEqual([brought, brought]);
  });

  test('are brought all of it, if a family is not there any more', async () => {
    await redis.hdel(keys.group(ID), 'f:a');
    expect(await follow()).toEqual([['all'], ['all']]);
  });

  test('are told that it is gone', async () => {
    await redis.del(keys.group(ID));
    expect(await follow()).toEqual([['none'], ['none']]);
  });
});
