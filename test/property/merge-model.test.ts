import * as fc from 'fast-check';
import { Redis } from 'ioredis';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, expect, it } from 'vitest';
import { prepare } from '../../services/worker/prepare.ts';
import type { Labels } from '../../shared/exposition/model.ts';
import { makeGroup } from '../../shared/grouping/group.ts';
import { GroupStore, type MergeOutcome, type PreparedPush } from '../../shared/redis/group-store.ts';
import { makeKeyspace } from '../../shared/redis/keys.ts';
import { CONSUMER_GROUP } from '../../shared/redis/push-consumer.ts';
import { decodePush, encodePush } from '../../shared/redis/push-record.ts';
import { deadlineOf, type Push, type Verb } from '../../shared/state/push.ts';
import { stampOf } from '../../shared/state/stamp.ts';
import { startRedis } from '../support/redis.ts';
import { hold } from '../support/resources.ts';

// However a log is cut into batches, shuffled, delivered to two workers and merged again: the groups end as if its pushes had
// been applied one by one, in their order.

const keyspace = makeKeyspace('model', 1);
const [keys] = keyspace.shards as [(typeof keyspace.shards)[number]];
const store = new GroupStore(keyspace);
const GROUPS = [0, 1, 2].map((i) => makeGroup('push', [['job', `j${i}`]]));
const FAMILIES = ['a', 'b', 'c'];
let redis: Redis;

beforeAll(async () => {
  const server = await startRedis({ args: ['--appendonly', 'no'] });
  redis = new Redis({ port: server.port, protocol: 2, replyMapping: 'legacy' });
  hold('redis client', async () => {
    redis.disconnect();
    return await Promise.resolve();
  });
});

/** `past`: expired long before anything is merged; `soon`: perhaps while it is. Ranks tell deadlines apart. */
interface Ttl {
  readonly kind: 'never' | 'past' | 'soon' | 'future';
  readonly rank: number;
}

/** Arrivals are this long ago, so that `past` can be. */
const AGO_MS = 1_000_000;
const SOON_MS = 25;

interface Op {
  readonly group: number;
  readonly verb: Verb;
  readonly families: readonly string[];
  readonly ttl: Ttl;
  /** Its first append had no reply: it is appended again behind so many others. */
  readonly again: number | undefined;
}

type Step =
  | { readonly do: 'append'; readonly count: number }
  | { readonly do: 'deliver'; readonly count: number; readonly consumer: string }
  | { readonly do: 'merge'; readonly picks: readonly number[] }
  | { readonly do: 'merge again'; readonly pick: number }
  | { readonly do: 'sweep' }
  | { readonly do: 'wait' };

/** Earlier ones oftener. */
function often<T>(...values: T[]): fc.Arbitrary<T> {
  return fc.oneof(...values.map((one, i) => ({ weight: values.length - i, arbitrary: fc.constant(one) })));
}

function opWith(verbs: fc.Arbitrary<Verb>, kinds: fc.Arbitrary<Ttl['kind']>): fc.Arbitrary<Op> {
  return fc.record({
    group: fc.nat({ max: GROUPS.length - 1 }),
    verb: verbs,
    families: fc.subarray(FAMILIES),
    ttl: fc.record({ kind: kinds, rank: fc.nat({ max: 3 }) }),
    again: fc.option(fc.nat({ max: 3 }), { nil: undefined, freq: 8 }),
  });
}

const some = fc.integer({ min: 1, max: 4 });
const append = fc.record({ do: fc.constant('append' as const), count: some });
const deliver = fc.record({
  do: fc.constant('deliver' as const),
  count: some,
  consumer: fc.constantFrom('one', 'two'),
});
const merge = fc.record({
  do: fc.constant('merge' as const),
  picks: fc.array(fc.nat({ max: 9 }), { minLength: 1, maxLength: 4 }),
});
const mergeAgain = fc.record({ do: fc.constant('merge again' as const), pick: fc.nat({ max: 9 }) });
const sweep = fc.constant({ do: 'sweep' as const });

interface History {
  readonly ops: readonly Op[];
  readonly steps: readonly Step[];
  /** How what is left is merged in the end. */
  readonly tail: Iterator<number>;
}

function historyOf(op: fc.Arbitrary<Op>, ...more: fc.Arbitrary<Step>[]): fc.Arbitrary<History> {
  return fc.record({
    ops: fc.array(op, { minLength: 1, maxLength: 12 }),
    steps: fc.array(fc.oneof(append, deliver, merge, mergeAgain, sweep, ...more), { maxLength: 24 }),
    tail: fc.infiniteStream(fc.nat({ max: 9 })),
  });
}

/* ---------------------------------------------------------------- the model: one operation after the other */

interface Logged {
  readonly op: Op;
  /** The value of its samples. */
  readonly value: number;
  readonly push: Push;
  readonly deadlineMs: number;
}

interface State {
  families: Map<string, Logged>;
  pushed: Logged | undefined;
  failed: Logged | undefined;
}

const isPast = (deadlineMs: number, nowMs: number): boolean => deadlineMs !== 0 && deadlineMs <= nowMs;
const latest = (deadlines: readonly number[]): number => (deadlines.includes(0) ? 0 : Math.max(...deadlines));
const byName = ([a]: [string, unknown], [b]: [string, unknown]): number => (a < b ? -1 : 1);
const nothing = (): State => ({ families: new Map(), pushed: undefined, failed: undefined });

/** A group lives as long as its newest push and the longest of its families; a failure keeps only a group without a push. */
function untilOf({ families, pushed, failed }: State): number | undefined {
  if (pushed !== undefined) return latest([pushed, ...families.values()].map(({ deadlineMs }) => deadlineMs));
  return failed?.deadlineMs;
}

function isAlive(state: State, nowMs: number): boolean {
  const until = untilOf(state);
  return until !== undefined && !isPast(until, nowMs);
}

function applyInOrder(log: readonly Logged[], group: number, nowMs: number): State {
  let state = nothing();
  for (const logged of log) {
    const { verb: does, group: of, families } = logged.op;
    if (of !== group && does !== 'WIPE') continue;
    if (!isAlive(state, nowMs) || does === 'DELETE' || does === 'WIPE') state = nothing();
    if (does === 'FAIL') state.failed = logged;
    if (does === 'PUT') state.families.clear();
    if (does === 'PUT' || does === 'POST') {
      state.pushed = logged;
      for (const name of families) state.families.set(name, logged);
    }
  }
  return isAlive(state, nowMs) ? state : nothing();
}

/** The newest failure since the newest DELETE, whether or not the group expired in between. */
function newestFailure(log: readonly Logged[], group: number): Logged | undefined {
  let failed: Logged | undefined;
  for (const logged of log) {
    const { verb: does, group: of } = logged.op;
    if (does === 'WIPE' || (of === group && does === 'DELETE')) failed = undefined;
    else if (of === group && does === 'FAIL') failed = logged;
  }
  return failed;
}

/* ---------------------------------------------------------------- one run against Redis */

class Run {
  readonly #startMs: number;
  readonly log: Logged[] = [];
  readonly #toAppend: { logged: Logged; since: string }[] = [];
  readonly #held: PreparedPush[] = [];
  readonly #merged: PreparedPush[] = [];
  readonly outcomes = new Map<string, MergeOutcome[]>();
  /** Stamps in the order in which they were merged. */
  readonly #order: string[][] = GROUPS.map(() => []);
  /** What was visible once, and what of it then was no more. */
  readonly #seen = new Set<string>();
  readonly #gone = new Set<string>();
  readonly #groupsOf = new Map<string, readonly number[]>();

  constructor(ops: readonly Op[], startMs: number) {
    this.#startMs = startMs;
    const second: { logged: Logged; since: string; left: number }[] = [];
    for (const [i, one] of ops.entries()) {
      const logged = makePush(one, i, startMs);
      this.log.push(logged);
      this.#toAppend.push({ logged, since: '' });
      for (const later of second) if (later.left-- === 0) this.#toAppend.push(later);
      if (one.again !== undefined) second.push({ logged, since: '0-0', left: one.again });
    }
    this.#toAppend.push(...second.filter(({ left }) => left >= 0));
  }

  async take(one: Step): Promise<void> {
    switch (one.do) {
      case 'append':
        for (const { logged, since } of this.#toAppend.splice(0, one.count)) {
          await redis.xadd(keys.pushes, '*', ...encodePush(logged.push, since));
        }
        break;
      case 'deliver':
        await this.#deliver(one.consumer, one.count);
        break;
      case 'merge':
        await this.#merge(one.picks);
        break;
      case 'merge again': {
        const again = this.#merged[one.pick % Math.max(1, this.#merged.length)];
        if (again !== undefined) expect(await store.merge(redis, 0, [again])).toEqual(['gone']);
        break;
      }
      case 'sweep':
        await store.sweep(redis, 0, 100);
        await this.#checkNothingReturned();
        break;
      case 'wait':
        await sleep(Math.max(0, this.#startMs + SOON_MS + 5 - Date.now()));
        break;
      default:
        one satisfies never;
    }
  }

  async finish(tail: Iterator<number>): Promise<void> {
    await this.take({ do: 'append', count: this.#toAppend.length });
    await this.#deliver('one', 1_000);
    const next = (): number => Number(tail.next().value);
    while (this.#held.length > 0) await this.#merge(Array.from({ length: 1 + (next() % 3) }, next));
    expect(new Set(await store.merge(redis, 0, this.#merged))).toEqual(new Set(['gone']));
  }

  /** Whether the group's pushes were merged in the order of the log. */
  inOrder(group: number): boolean {
    const order = this.#order[group] ?? [];
    return order.every((stamp, i) => i === 0 || stamp > (order[i - 1] ?? ''));
  }

  async #deliver(consumer: string, count: number): Promise<void> {
    const reply = await redis.xreadgroupBuffer(
      'GROUP',
      CONSUMER_GROUP,
      consumer,
      'COUNT',
      count,
      'STREAMS',
      keys.pushes,
      '>',
    );
    for (const [, entries] of reply ?? []) {
      for (const [id, fields] of entries) {
        const entryId = String(id);
        const stamp = stampOf(entryId);
        const push = decodePush(fields ?? []);
        this.#held.push({ entryId, stamp, pushId: push.id, since: push.since, operations: prepare(push, stamp) });
        const { verb: does, labels } = push;
        const all = GROUPS.flatMap((group, i) =>
          does === 'WIPE' || group.labels[0]?.[1] === labels[0]?.[1] ? [i] : [],
        );
        this.#groupsOf.set(stamp, all);
      }
    }
  }

  async #merge(picks: readonly number[]): Promise<void> {
    const batch: PreparedPush[] = [];
    for (const pick of picks) batch.push(...this.#held.splice(pick % Math.max(1, this.#held.length), 1));
    if (batch.length === 0) return;
    const outcomes = await store.merge(redis, 0, batch);
    expect(outcomes).toHaveLength(batch.length);
    for (const [i, push] of batch.entries()) {
      const outcome = outcomes[i] as MergeOutcome;
      this.outcomes.set(push.pushId, [...(this.outcomes.get(push.pushId) ?? []), outcome]);
    }
    for (const { stamp } of batch.toSorted((a, b) => (a.stamp < b.stamp ? -1 : 1))) {
      for (const group of this.#groupsOf.get(stamp) ?? []) this.#order[group]?.push(stamp);
    }
    this.#merged.push(...batch);
    await this.#checkNothingReturned();
    if (batch.length === 1 && outcomes[0] === 'applied') await this.#checkExpiry(batch[0] as PreparedPush);
  }

  async #checkNothingReturned(): Promise<void> {
    const nowMs = Date.now();
    const visible = new Set<string>();
    for (const group of GROUPS.keys()) {
      for (const text of Object.values((await shown(group, nowMs))?.families ?? {})) visible.add(text);
    }
    for (const text of this.#seen) if (!visible.has(text)) this.#gone.add(text);
    for (const text of visible) {
      expect(this.#gone, 'returned').not.toContain(text);
      this.#seen.add(text);
    }
  }

  /** When nothing older than a group's newest push is pending, Redis expires the group by itself, at its very end. */
  async #checkExpiry({ operations }: PreparedPush): Promise<void> {
    const [, oldest] = (await redis.xpending(keys.pushes, CONSUMER_GROUP)) as [number, string | null];
    for (const { groupId, verb: does } of operations) {
      const expiresAt = await redis.pexpiretime(keys.group(groupId));
      if (expiresAt === -2 || does === 'WIPE') continue;
      const [until, ...stamps] = await redis.hmget(keys.group(groupId), 'until', 'top', 'floor', 'failedStamp');
      const newest =
        stamps
          .map((stamp) => stamp ?? '')
          .toSorted()
          .at(-1) ?? '';
      const isSafe = oldest === null || stampOf(oldest) > newest;
      expect(expiresAt, 'PEXPIREAT').toBe(isSafe && Number(until) !== 0 ? Number(until) : -1);
    }
  }
}

function makePush(one: Op, value: number, startMs: number): Logged {
  const { kind, rank } = one.ttl;
  const arrivalMs = startMs - AGO_MS + value;
  const ttls = { never: 0, past: 1_000 + rank, soon: AGO_MS + SOON_MS - value - rank, future: 2 * AGO_MS + 100 * rank };
  const hasBody = one.verb === 'PUT' || one.verb === 'POST';
  const push: Push = {
    id: `push.${value}`,
    verb: one.verb,
    kind: 'push',
    labels: one.verb === 'WIPE' ? [] : (GROUPS[one.group]?.labels ?? []),
    arrivalMs,
    ttlMs: ttls[kind],
    format: 'text',
    body: Buffer.from(hasBody ? one.families.map((name) => `${name} ${value}\n`).join('') : ''),
  };
  return { op: one, value, push, deadlineMs: deadlineOf(push) };
}

interface Shown {
  readonly labels: Labels;
  readonly families: Readonly<Record<string, string>>;
  readonly pushedMs: number;
  readonly failedMs: number;
  readonly untilMs: number;
}

/** A group as a reader shows it. */
async function shown(group: number, nowMs: number): Promise<Shown | undefined> {
  const [record] = await store.load(redis, 0, [GROUPS[group]?.id ?? '']);
  if (record === undefined || isPast(record.untilMs, nowMs)) return undefined;
  const { labels, pushedMs, failedMs, untilMs } = record;
  const live = [...record.families].filter(([, { deadlineMs }]) => !isPast(deadlineMs, nowMs)).toSorted(byName);
  const families = Object.fromEntries(live.map(([name, { text }]) => [name, text.toString()]));
  return { labels, families, pushedMs, failedMs, untilMs };
}

function expected(state: State, group: number, nowMs: number): Shown | undefined {
  const untilMs = untilOf(state);
  if (untilMs === undefined) return undefined;
  const live = [...state.families].filter(([, { deadlineMs }]) => !isPast(deadlineMs, nowMs)).toSorted(byName);
  return {
    labels: GROUPS[group]?.labels ?? [],
    families: Object.fromEntries(
      live.map(([name, { value }]) => [name, `${name}{instance="",job="j${group}"} ${value}\n`]),
    ),
    pushedMs: state.pushed?.push.arrivalMs ?? 0,
    failedMs: state.failed?.push.arrivalMs ?? 0,
    untilMs,
  };
}

async function checkIndex(nowMs: number): Promise<void> {
  const index = await redis.zrange(keys.groups, '0', '-1', 'WITHSCORES');
  const scores = new Map<string, string>();
  for (let i = 0; i < index.length; i += 2) scores.set(index[i] ?? '', index[i + 1] ?? '');
  const stored = await redis.keys(`${keys.group('')}*`);
  expect([...scores.keys()].map((id) => keys.group(id)).toSorted(), 'index = keys').toEqual(stored.toSorted());
  for (const [id, score] of scores) {
    const [record] = await store.load(redis, 0, [id]);
    expect(record, 'no tombstone').toBeDefined();
    expect(record?.untilMs === 0 || !isPast(record?.untilMs ?? 0, nowMs), 'nothing expired').toBe(true);
    expect(score, 'score').toBe(record?.untilMs === 0 ? 'inf' : String(record?.untilMs));
  }
}

async function checkChanges(run: Run): Promise<void> {
  const told = new Map<string, string[]>();
  const changes = (await redis.xrange(keys.changes, '-', '+')) as [string, string[]][];
  for (const [, [, pushes = '']] of changes) {
    for (const one of pushes.split(' ')) {
      const [id = '', outcome = ''] = one.split(':');
      told.set(id, [...(told.get(id) ?? []), outcome]);
    }
  }
  for (const { push, op: one } of run.log) {
    const outcomes = (run.outcomes.get(push.id) ?? []).toSorted();
    expect(
      told.get(push.id)?.filter((letter) => letter !== 'd'),
      `${push.id} told once`,
    ).toHaveLength(1);
    expect(
      outcomes.filter((outcome) => outcome !== 'duplicate'),
      `${push.id} settled once`,
    ).toHaveLength(1);
    expect(outcomes).toHaveLength(one.again === undefined ? 1 : 2);
  }
}

async function check({ ops, steps, tail }: History): Promise<void> {
  await redis.flushall();
  await redis.xgroup('CREATE', keys.pushes, CONSUMER_GROUP, '0', 'MKSTREAM');
  const run = new Run(ops, Date.now());
  for (const one of steps) await run.take(one);
  await run.finish(tail);
  if (ops.some(({ ttl }) => ttl.kind === 'soon')) await run.take({ do: 'wait' });

  expect(await redis.xlen(keys.pushes)).toBe(0);
  expect(await redis.xpending(keys.pushes, CONSUMER_GROUP)).toEqual([0, null, null, null]);
  await checkChanges(run);
  const nowMs = Date.now();
  for (const moment of ['merged', 'swept']) {
    for (const group of GROUPS.keys()) {
      const state = applyInOrder(run.log, group, nowMs);
      const seen = JSON.stringify(await shown(group, nowMs));
      // Whether a group had expired since its failure cannot be told once the order is lost.
      const couldExpire = run.log.some(({ op, deadlineMs }) => op.group === group && isPast(deadlineMs, nowMs));
      const isCertain = state.pushed === undefined || run.inOrder(group) || !couldExpire;
      const failures = isCertain ? [state.failed] : [newestFailure(run.log, group), undefined];
      const allowed = failures.map((failed) => JSON.stringify(expected({ ...state, failed }, group, nowMs)));
      if (!allowed.includes(seen)) expect(seen, `group ${group}, ${moment}`).toBe(allowed[0]);
    }
    await store.sweep(redis, 0, 100);
  }
  await checkIndex(nowMs);
}

/** `make fuzz` sets no number of runs, but a time. */
const runs = (count: number) => ({ numRuns: Number.isFinite(fc.readConfigureGlobal().numRuns) ? count : Infinity });

it('ends as if every push had been applied alone, in the order of the log', async () => {
  const verbs = fc.oneof(often<Verb>('POST', 'PUT', 'DELETE', 'FAIL', 'WIPE'), fc.constantFrom<Verb>('PUT', 'POST'));
  const history = historyOf(opWith(verbs, often('future', 'past', 'never')));
  await fc.assert(fc.asyncProperty(history, check));
});

it('and so it does while groups expire', async () => {
  const verbs = often<Verb>('POST', 'PUT', 'DELETE', 'WIPE');
  const wait = fc.constant({ do: 'wait' as const });
  const history = historyOf(opWith(verbs, often('soon', 'future', 'past', 'never')), wait);
  await fc.assert(fc.asyncProperty(history, check), runs(40));
});
