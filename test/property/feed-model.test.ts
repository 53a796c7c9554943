import { setTimeout as sleep } from 'node:timers/promises';
import * as fc from 'fast-check';
import { Redis } from 'ioredis';
import { beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../../shared/config/read/load.ts';
import { makeGroup, shardOf } from '../../shared/model/group.ts';
import { createLogger } from '../../shared/logger.ts';
import { ChangeFeed, type ChangeConsumer } from '../../shared/redis/changes/change-feed.ts';
import type { PushOutcomes, ShardChanges } from '../../shared/records/change-record.ts';
import type { RedisClient } from '../../shared/redis/connection/client.ts';
import { Connections } from '../../shared/redis/connection/connections.ts';
import { GroupFollower } from '../../shared/redis/groups/group-follower.ts';
import { GroupStore } from '../../shared/redis/groups/group-store.ts';
import type { ShardKeys } from '../../shared/redis/keys.ts';
import { packStrings } from '../../shared/records/packed-strings.ts';
import { makeKeyspace } from '../support/redis/keyspace.ts';
import type { GroupRecord } from '../../shared/records/group-record.ts';
import { eventually } from '../support/eventually.ts';
import { startRedis, type RedisServer } from '../support/redis/server.ts';
import { hold } from '../support/process/resources.ts';

// Whatever happens to `changes`, to the groups and to the notifications: within 2 s those who follow hold what Redis holds,
// and were told of the pushes in their order.

const SHARDS = 3;
const LIMIT_MS = 2_000;
const GROUPS = Array.from({ length: 30 }, (_, i) => makeGroup('push', [['job', `j${i}`]]));
const inShard = (shard: number) => GROUPS.filter(({ id }) => shardOf(id, SHARDS) === shard);

let server: RedisServer;
let redis: Redis;
let serial = 0;

beforeAll(async () => {
  server = await startRedis({ args: ['--appendonly', 'no'] });
  redis = new Redis({ port: server.port, protocol: 2, replyMapping: 'legacy' });
  hold('redis client', async () => await Promise.resolve(redis.disconnect()));
});

/** Notes what is told twice, out of order, or not at all. */
class Order implements ChangeConsumer {
  readonly faults: string[] = [];
  /** Of the last push that each shard told of; undefined = any may be next. */
  readonly last: (number | undefined)[] = [];
  readonly resets: number[] = Array.from({ length: SHARDS }, () => 0);

  async reset(_client: RedisClient, shard: number, recent: PushOutcomes): Promise<void> {
    this.resets[shard] = (this.resets[shard] ?? 0) + 1;
    this.last[shard] = recent.size === 0 ? undefined : Math.max(...numbers(recent));
    return await Promise.resolve();
  }

  async changes(_client: RedisClient, shard: number, { outcomes }: ShardChanges): Promise<void> {
    for (const number of numbers(outcomes)) {
      const last = this.last[shard];
      if (last !== undefined && number !== last + 1) this.faults.push(`shard ${shard}: ${number} after ${last}`);
      this.last[shard] = number;
    }
    return await Promise.resolve();
  }
}

function numbers(outcomes: PushOutcomes): number[] {
  return Array.from(outcomes.keys(), (id) => Number(id.slice(id.indexOf('.') + 1)));
}

/** The families of each group after each of its changes, by the time of that. */
type History = Map<string, Map<number, string>>;

/** Has a view of all groups, and sometimes throws. */
class View {
  readonly held = new Map<string, GroupView>();
  readonly ids = () => this.held.keys();
  /** So many times. */
  throws = 0;
  /** Groups of which it was brought some families. */
  updates = 0;
  /** Groups that it has held as they never were. */
  readonly faults: string[] = [];
  readonly #history: History;

  constructor(history: History) {
    this.#history = history;
  }

  set(id: string, record: GroupRecord | undefined): void {
    this.#mayThrow();
    if (record === undefined) this.held.delete(id);
    else this.#hold(id, record.pushedMs, new Map(stampsOf(record)));
  }

  update(id: string, record: GroupRecord): boolean {
    this.#mayThrow();
    const held = this.held.get(id);
    if (held === undefined) return false;
    this.updates++;
    this.#hold(id, record.pushedMs, new Map([...held.families, ...stampsOf(record)]));
    return true;
  }

  #hold(id: string, pushedMs: number, families: GroupView['families']): void {
    this.held.set(id, { pushedMs, families });
    const [was, is] = [this.#history.get(id)?.get(pushedMs), show(families)];
    if (was !== is) this.faults.push(`${id} at ${pushedMs}: ${is} instead of ${was}`);
  }

  #mayThrow(): void {
    if (this.throws === 0) return;
    this.throws--;
    throw new Error('a consumer that throws');
  }
}

interface GroupView {
  readonly pushedMs: number;
  readonly families: ReadonlyMap<string, string>;
}

function stampsOf({ families }: GroupRecord): [name: string, stamp: string][] {
  return Array.from(families, ([name, { stamp }]) => [name, stamp]);
}

function show(families: ReadonlyMap<string, string>): string {
  return JSON.stringify([...families].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** Any character may be in them. */
const FAMILIES = ['a', 'b c', 'd\n1 2\n', 'größer', '3'];

/** A feed with its followers, and a writer that changes groups as merge.lua does, some of them family by family. */
class Fixture {
  readonly shards: readonly ShardKeys[];
  readonly order = new Order();
  readonly #history: History = new Map();
  readonly views = [new View(this.#history), new View(this.#history)] as const;
  readonly feed: ChangeFeed;
  readonly #connections: Connections;
  readonly #store: GroupStore;
  readonly #pushes: number[] = Array.from({ length: SHARDS }, () => 0);
  #clock = 0;
  /** The families of each group, as Redis has them. */
  readonly #stored = new Map<string, ReadonlyMap<string, string>>();

  constructor(user?: string) {
    const keyspace = makeKeyspace(`feed${serial++}`, SHARDS);
    this.shards = keyspace.shards;
    const flags = [`--redis.endpoint=${server.endpoint}`, '--redis.mode=single'];
    if (user !== undefined) flags.push(`--redis.username=${user}`, '--redis.password=secret');
    const loaded = loadConfig({ argv: flags, env: {} });
    if (loaded.kind !== 'config') throw new Error(JSON.stringify(loaded));
    const logger = createLogger({ level: 'error', format: 'logfmt' });
    this.#connections = new Connections(loaded.config.redis, logger);
    this.#store = new GroupStore(keyspace, (group, error) => expect.fail(`${group}: ${error.message}`));
    this.feed = new ChangeFeed(this.#connections, keyspace, logger);
    this.feed.add(this.order);
    for (const view of this.views) {
      const follower = new GroupFollower(this.#store, keyspace);
      follower.add(view);
      this.feed.add(follower);
    }
  }

  async destroy(): Promise<void> {
    await this.feed.destroy();
    this.#connections.destroy();
  }

  /** Group `n` of the shard is changed, or removed; one entry of `changes`. */
  async change(shard: number, n: number, how: 'whole' | 'removed' | readonly number[] = 'whole'): Promise<void> {
    const keys = this.shards[shard] as ShardKeys;
    const all = inShard(shard);
    const { id } = all[n % all.length] as { id: string };
    const write = redis.multi();
    const told = ['pushes', `push.${(this.#pushes[shard] = (this.#pushes[shard] ?? 0) + 1)}:a`, 'groups', id];
    const before = this.#stored.get(id);
    if (how === 'removed') {
      this.#stored.delete(id);
      write.del(keys.group(id)).zrem(keys.groups, id);
    } else {
      const stamp = String(++this.#clock);
      const isWhole = how === 'whole' || before === undefined;
      const names = isWhole ? FAMILIES : [...new Set(how.map((i) => FAMILIES[i] as string))];
      const families = new Map([...(before ?? []), ...names.map((name) => [name, stamp] as const)]);
      this.#stored.set(id, families);
      const history = this.#history.get(id) ?? new Map<number, string>();
      this.#history.set(id, history.set(this.#clock, show(families)));
      // Also the others: a flush has removed them.
      const records = Array.from(families, ([name, at]) => [`f:${name}`, `${at} 0 0 gauge 0 0 0\n`]);
      const fields = Object.fromEntries(records) as Record<string, string>;
      write.hset(keys.group(id), { ...fields, labels: 'push []', meta: `${stamp} ${this.#clock} 0 0 0` });
      write.zadd(keys.groups, 'inf', id);
      if (!isWhole) told.push('families', String(packStrings([id, String(names.length), ...names])));
    }
    write.xadd(keys.changes, '*', ...told);
    await write.exec();
  }

  async isInLine(): Promise<void> {
    const stored = new Map<string, GroupView>();
    for (const shard of this.shards.keys()) {
      const ids = await this.#store.list(redis, shard);
      for (const record of await this.#store.load(redis, shard, ids)) {
        if (record !== undefined)
          stored.set(record.id, { pushedMs: record.pushedMs, families: new Map(stampsOf(record)) });
      }
    }
    for (const { held, faults } of this.views) {
      expect(held).toEqual(stored);
      expect(faults).toEqual([]);
    }
    expect(this.order.faults).toEqual([]);
  }
}

async function withFeed(act: (fixture: Fixture) => Promise<void>, user?: string): Promise<void> {
  const fixture = new Fixture(user);
  await redis.config('SET', 'notify-keyspace-events', '');
  fixture.feed.start();
  try {
    expect(await fixture.feed.whenComplete(LIMIT_MS)).toBe(true);
    await act(fixture);
  } finally {
    await fixture.destroy();
  }
}

const converges = async (fixture: Fixture, timeoutMs = LIMIT_MS): Promise<void> =>
  await eventually(async () => await fixture.isInLine(), { timeoutMs, what: 'the view of Redis' });

const anyShard = fc.nat({ max: SHARDS - 1 });
const how = fc.oneof(fc.constantFrom('whole' as const, 'removed' as const), {
  weight: 3,
  arbitrary: fc.array(fc.nat({ max: FAMILIES.length - 1 }), { maxLength: 3 }),
});
const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('burst' as const),
      shard: anyShard,
      groups: fc.array(fc.tuple(fc.nat({ max: 20 }), how), { minLength: 1, maxLength: 12 }),
    }),
  },
  fc.record({ do: fc.constantFrom('trim' as const, 'delete changes' as const), shard: anyShard }),
  fc.record({ do: fc.constant('throw' as const), view: fc.nat({ max: 1 }) }),
  fc.record({ do: fc.constantFrom('flush' as const, 'reload' as const, 'notifications off' as const) }),
  { weight: 3, arbitrary: fc.record({ do: fc.constant('pause' as const), ms: fc.nat({ max: 30 }) }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

async function take(fixture: Fixture, one: Step): Promise<void> {
  switch (one.do) {
    case 'burst':
      await Promise.all(one.groups.map(async ([n, does]) => await fixture.change(one.shard, n, does)));
      break;
    case 'trim':
      await redis.xtrim(fixture.shards[one.shard]?.changes ?? '', 'MAXLEN', 0);
      break;
    case 'delete changes':
      await redis.del(fixture.shards[one.shard]?.changes ?? '');
      await sleep(2);
      break;
    case 'throw':
      (fixture.views[one.view] as View).throws = 1;
      break;
    case 'flush':
      await redis.flushall();
      // A new stream must not give the same ID in the same millisecond.
      await sleep(2);
      break;
    case 'reload':
      fixture.feed.reload();
      break;
    case 'notifications off':
      await redis.config('SET', 'notify-keyspace-events', '');
      break;
    case 'pause':
      await sleep(one.ms);
      break;
    default:
      one satisfies never;
  }
}

/** `make fuzz` sets no number of runs, but a time. */
const runs = (count: number) => ({ numRuns: Number.isFinite(fc.readConfigureGlobal().numRuns) ? count : Infinity });

it('those who follow hold what Redis holds, whatever happened', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 30 }), async (steps) => {
      await withFeed(async (fixture) => {
        for (const one of steps) await take(fixture, one);
        await converges(fixture);
      });
    }),
    runs(20),
  );
});

describe('a change is not missed', () => {
  it.for<[what: string, limitMs: number, rights: string | undefined]>([
    ['with notifications, within a moment', 500, undefined],
    ['where CONFIG is refused', LIMIT_MS, '-config'],
    ['where SUBSCRIBE is refused too', LIMIT_MS, '-config -subscribe'],
  ])('%s', async ([, limitMs, rights]) => {
    const user = rights === undefined ? undefined : 'limited';
    if (user !== undefined)
      await redis.call('ACL', ['SETUSER', user, 'on', '>secret', '~*', '&*', '+@all', ...(rights ?? '').split(' ')]);
    await withFeed(async (fixture) => {
      await converges(fixture);
      for (let round = 0; round < 2; round++) {
        for (const shard of fixture.shards.keys()) await fixture.change(shard, round);
        await converges(fixture, limitMs);
        await sleep(100);
      }
    }, user);
  });

  it('when there are pages of them', async () => {
    await withFeed(async (fixture) => {
      await fixture.change(1, 0);
      await converges(fixture);
      const before = [...fixture.order.resets];
      let release: (() => void) | undefined;
      const gate = new Promise<void>((resolve) => (release = resolve));
      fixture.feed.add({ reset: async () => await gate, changes: async () => await gate });
      for (let i = 0; i < 50; i++)
        await Promise.all(Array.from({ length: 100 }, async (_, n) => await fixture.change(1, n)));
      await redis.config('SET', 'notify-keyspace-events', '');
      release?.();
      await eventually(() => fixture.order.last[1] === 5_001, { timeoutMs: 3_000 });
      await converges(fixture);
      expect(fixture.order.resets, 'no gap').toEqual(before);
    });
  });

  it('when connections are cut', async () => {
    await withFeed(async (fixture) => {
      for (const type of ['pubsub', 'normal', 'pubsub']) {
        await redis.call('CLIENT', ['KILL', 'TYPE', type, 'SKIPME', 'yes']);
        for (const shard of fixture.shards.keys()) await fixture.change(shard, 0);
        await converges(fixture, 5_000);
      }
    });
  });
});

describe('a consumer that throws', () => {
  it('is reset, and so are the others', async () => {
    await withFeed(async (fixture) => {
      for (const shard of fixture.shards.keys()) await fixture.change(shard, 0);
      await converges(fixture);
      const before = [...fixture.order.resets];
      fixture.views[1].throws = 1;
      await fixture.change(1, 1);
      await converges(fixture);
      expect(fixture.order.resets).toEqual(before.map((resets, shard) => resets + (shard === 1 ? 1 : 0)));
      expect(fixture.views[1].throws).toBe(0);
    });
  });

  it('while it is reset is reset again', async () => {
    await withFeed(async (fixture) => {
      await fixture.change(1, 0);
      await converges(fixture);
      fixture.views[0].throws = 3;
      await fixture.change(1, 1);
      await converges(fixture);
      expect(fixture.views[0].throws).toBe(0);
    });
  });
});

describe('while changes is empty', () => {
  it.for<[what: string, lose: (fixture: Fixture, changes: string) => Promise<unknown>]>([
    [
      'what was trimmed at once is not missed',
      async (fixture, changes) => await Promise.all([fixture.change(1, 1), redis.xtrim(changes, 'MAXLEN', 0)]),
    ],
    ['a flush is not missed', async () => await redis.flushall()],
  ])('%s', async ([, lose]) => {
    await withFeed(async (fixture) => {
      const changes = fixture.shards[1]?.changes ?? '';
      await fixture.change(1, 0);
      await converges(fixture);
      await redis.xtrim(changes, 'MAXLEN', 0);
      const trimmedMs = Date.now();
      await eventually(() => fixture.feed.lastCompleteMs > trimmedMs);
      await lose(fixture, changes);
      await converges(fixture);
    });
  });
});

describe('after a gap', () => {
  const lookedAgain = async (before: number): Promise<void> => {
    await eventually(async () => (await scriptCalls()) >= before + 3, {
      timeoutMs: LIMIT_MS,
      what: 'looks at the log',
    });
  };

  const scriptCalls = async (): Promise<number> =>
    Number(/cmdstat_evalsha:calls=(\d+)/.exec(await redis.info('commandstats'))?.[1] ?? 0);

  it('the pushes in the log are waited for: what is held may have them already', async () => {
    await withFeed(async (fixture) => {
      const { changes = '', pushes = '' } = fixture.shards[1] ?? {};
      await fixture.change(1, 0);
      await converges(fixture);
      const held = new Map(fixture.views[0].held);
      const resets = fixture.order.resets[1];
      const before = await scriptCalls();
      await redis.xadd(pushes, '*', 'v', '2');
      await redis.del(changes);
      await fixture.change(1, 1);
      await lookedAgain(before);
      expect(fixture.order.resets[1]).toBe(resets);
      expect(fixture.views[0].held).toEqual(held);
      await redis.del(pushes);
      await converges(fixture);
    });
  });

  it('but not for ever, nor when somebody else put something in the place of the log', async () => {
    await withFeed(async (fixture) => {
      const { changes = '', pushes = '' } = fixture.shards[1] ?? {};
      await fixture.change(1, 0);
      await redis.xadd(pushes, '*', 'v', '2');
      await redis.del(changes);
      await fixture.change(1, 1);
      await converges(fixture, 2 * LIMIT_MS);
      await redis.set(pushes, 'somebody else');
      await redis.del(changes);
      await fixture.change(1, 2);
      await converges(fixture);
    });
  });
});

it('what Redis loses while it is loaded for the first time is not shown as all there is', async () => {
  const fixture = new Fixture();
  for (const shard of fixture.shards.keys()) await fixture.change(shard, 0);
  let lost: Promise<unknown> | undefined;
  fixture.feed.add({
    reset: async () => void (await (lost ??= redis.flushall())),
    changes: async () => await Promise.resolve(),
  });
  fixture.feed.start();
  try {
    expect(await fixture.feed.whenComplete(LIMIT_MS)).toBe(true);
    await fixture.isInLine();
  } finally {
    await fixture.destroy();
  }
});

describe('when asked', () => {
  it('tells of a group again, also when a consumer throws meanwhile', async () => {
    await withFeed(async (fixture) => {
      await fixture.change(2, 0);
      await converges(fixture);
      fixture.views[0].held.clear();
      fixture.views[0].throws = 1;
      fixture.feed.refresh(2, inShard(2)[0]?.id ?? '');
      await converges(fixture);
    });
  });

  it('loads everything again, also what is being followed at that moment', async () => {
    await withFeed(async (fixture) => {
      const { feed, views } = fixture;
      await fixture.change(1, 0);
      await converges(fixture);
      let isTold: (() => void) | undefined;
      const told = new Promise<void>((resolve) => (isTold = resolve));
      const slow = async (): Promise<void> => {
        isTold?.();
        await sleep(50);
      };
      feed.add({ reset: async () => await Promise.resolve(), changes: slow });
      await fixture.change(1, 1);
      await told;
      for (const view of views) view.held.clear();
      feed.reload();
      await converges(fixture);
    });
  });

  it('tells of a group again that did not change', async () => {
    await withFeed(async (fixture) => {
      await fixture.change(2, 0);
      await converges(fixture);
      const [view] = fixture.views;
      const [group] = inShard(2);
      view.held.clear();
      fixture.feed.refresh(2, group?.id ?? '');
      await converges(fixture);
    });
  });

  it('loads everything again', async () => {
    await withFeed(async (fixture) => {
      for (const shard of fixture.shards.keys()) await fixture.change(shard, 0);
      await converges(fixture);
      for (const view of fixture.views) view.held.clear();
      fixture.feed.reload();
      await converges(fixture);
    });
  });
});
