import * as fc from 'fast-check';
import { Redis } from 'ioredis';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, expect, it } from 'vitest';
import type { Labels } from '../../shared/model/metric-family.ts';
import { makeGroup } from '../../shared/model/group.ts';
import { encodeLabels } from '../../shared/model/labels.ts';
import { GroupStore } from '../../shared/redis/groups/group-store.ts';
import { makeKeyspace } from '../support/redis/keyspace.ts';
import { encodePush } from '../../shared/records/push-record.ts';
import { deadlineOf, type Outcome, type Push, type Verb } from '../../shared/records/push.ts';
import { startRedis } from '../support/redis/server.ts';
import { hold } from '../support/process/resources.ts';

// However a log is cut into batches: at each moment the groups are as if the pushes taken so far had been applied one by one,
// in the order of the log.

const keyspace = makeKeyspace('model', 1);
const [keys] = keyspace.shards as [(typeof keyspace.shards)[number]];
const store = new GroupStore(keyspace, (group, error) => expect.fail(`${group}: ${error.message}`));
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
  | { readonly do: 'merge'; readonly pushes: number; readonly bytes: number }
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

const append = fc.record({ do: fc.constant('append' as const), count: fc.integer({ min: 1, max: 5 }) });
const merge = fc.record({
  do: fc.constant('merge' as const),
  pushes: fc.integer({ min: 1, max: 6 }),
  // A push of these counts for 100 to 400.
  bytes: fc.oneof(fc.constant(1_000_000), fc.integer({ min: 1, max: 1_000 })),
});
const sweep = fc.constant({ do: 'sweep' as const });

interface History {
  readonly ops: readonly Op[];
  readonly steps: readonly Step[];
}

function historyOf(op: fc.Arbitrary<Op>, ...more: fc.Arbitrary<Step>[]): fc.Arbitrary<History> {
  return fc.record({
    ops: fc.array(op, { minLength: 1, maxLength: 16 }),
    steps: fc.array(fc.oneof(append, merge, sweep, ...more), { maxLength: 24 }),
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
  readonly families: ReadonlyMap<string, Logged>;
  readonly pushed: Logged | undefined;
  readonly failed: Logged | undefined;
  /** Of the failures since there is nothing else; 0 = never. */
  readonly failedUntilMs: number;
}

/** When something happened: not before the one, not after the other. */
type Moment = readonly [fromMs: number, toMs: number];

const NOTHING: State = { families: new Map(), pushed: undefined, failed: undefined, failedUntilMs: -1 };
const isPast = (deadlineMs: number, nowMs: number): boolean => deadlineMs !== 0 && deadlineMs <= nowMs;
const latest = (deadlines: readonly number[]): number => (deadlines.includes(0) ? 0 : Math.max(...deadlines));
const byName = ([a]: [string, unknown], [b]: [string, unknown]): number => (a < b ? -1 : 1);

/** A group lives as long as its newest push and the longest of its families; failures keep only a group without a push. */
function untilOf({ families, pushed, failed, failedUntilMs }: State): number | undefined {
  if (pushed !== undefined) return latest([pushed, ...families.values()].map(({ deadlineMs }) => deadlineMs));
  return failed === undefined ? undefined : failedUntilMs;
}

/** What is left of it at that moment: both, when it may have expired then. */
function living(state: State, [fromMs, toMs]: Moment): State[] {
  const until = untilOf(state);
  if (until === undefined || isPast(until, fromMs)) return [NOTHING];
  return isPast(until, toMs) ? [state, NOTHING] : [state];
}

function apply(state: State, logged: Logged): State {
  const { verb: does, families } = logged.op;
  switch (does) {
    case 'DELETE':
    case 'WIPE':
      return NOTHING;
    case 'FAIL': {
      const before = state.failedUntilMs === -1 ? [] : [state.failedUntilMs];
      const failedUntilMs = state.pushed === undefined ? latest([...before, logged.deadlineMs]) : -1;
      return { ...state, failed: logged, failedUntilMs };
    }
    case 'PUT':
    case 'POST': {
      const kept = does === 'PUT' ? [] : state.families;
      const own = families.map((name) => [name, logged] as const);
      return { ...state, families: new Map([...kept, ...own]), pushed: logged, failedUntilMs: -1 };
    }
    default:
      return does satisfies never;
  }
}

/** What one group may be: one state, but for deadlines that passed in the very moment of a merge. */
class Model {
  readonly #group: number;
  #states: readonly State[] = [NOTHING];

  constructor(group: number) {
    this.#group = group;
  }

  apply(logged: Logged, moment: Moment): void {
    if (logged.op.group !== this.#group && logged.op.verb !== 'WIPE') return;
    this.#states = this.#states
      .flatMap((state) => living(state, moment))
      .map((state) => apply(state, logged))
      .flatMap((state) => living(state, moment));
  }

  shown(moment: Moment): (Shown | undefined)[] {
    const states = this.#states.flatMap((state) => living(state, moment));
    return states.flatMap((state) => moment.map((nowMs) => expected(state, this.#group, nowMs)));
  }
}

/* ---------------------------------------------------------------- one run against Redis */

interface Entry {
  readonly logged: Logged;
  readonly isSecond: boolean;
  readonly bytes: number;
}

class Run {
  readonly #startMs: number;
  readonly #logged: Logged[] = [];
  readonly #toAppend: { logged: Logged; isSecond: boolean }[] = [];
  readonly #log: Entry[] = [];
  readonly #told: string[] = [];
  readonly #models = GROUPS.map((_, group) => new Model(group));
  /** As if superseded pushes had never been: they may have made a group expire, and forget that a push had failed. */
  readonly #lenient = GROUPS.map((_, group) => new Model(group));
  /** Pushes that were superseded, or not merged yet: never to be seen. */
  readonly #hidden = new Set<number>();

  constructor(ops: readonly Op[], startMs: number) {
    this.#startMs = startMs;
    const second: { logged: Logged; isSecond: true; left: number }[] = [];
    for (const [i, one] of ops.entries()) {
      const logged = makePush(one, i, startMs);
      this.#logged.push(logged);
      this.#hidden.add(i);
      this.#toAppend.push({ logged, isSecond: false });
      for (const later of second) if (later.left-- === 0) this.#toAppend.push(later);
      if (one.again !== undefined) second.push({ logged, isSecond: true, left: one.again });
    }
    this.#toAppend.push(...second.filter(({ left }) => left >= 0));
  }

  async take(one: Step): Promise<void> {
    switch (one.do) {
      case 'append':
        for (const { logged, isSecond } of this.#toAppend.splice(0, one.count)) {
          const entry = encodePush(logged.push);
          if (isSecond) entry.markResent('0-0');
          await redis.xadd(keys.pushes, '*', ...entry.fields);
          this.#log.push({ logged, isSecond, bytes: 100 + entry.bytes });
        }
        break;
      case 'merge':
        await this.#merge(one);
        break;
      case 'sweep':
        await store.sweep(redis, 0, 100);
        break;
      case 'wait':
        await sleep(Math.max(0, this.#startMs + SOON_MS + 5 - Date.now()));
        break;
      default:
        one satisfies never;
    }
    await this.#check();
  }

  async finish(): Promise<void> {
    await this.take({ do: 'append', count: this.#toAppend.length });
    while (this.#log.length > 0) await this.#merge({ pushes: 5, bytes: 1_000 });
    expect(await redis.xlen(keys.pushes)).toBe(0);
    expect(await store.merge(redis, 0, { pushes: 5, bytes: 1_000 })).toEqual({ pushes: [], left: 0, deadLetters: [] });
    await this.#check();
    await this.#checkChanges();
    await store.sweep(redis, 0, 100);
    await this.#check();
    await checkIndex();
  }

  async #merge(most: { pushes: number; bytes: number }): Promise<void> {
    const fromMs = Date.now();
    const { pushes, left, deadLetters } = await store.merge(redis, 0, most);
    const moment: Moment = [fromMs, Date.now()];

    expect(deadLetters).toEqual([]);
    const batch = this.#log.splice(0, pushes.length);
    expect(left).toBe(this.#log.length);
    // As many as there are within the limits, but always one.
    const bytesBefore = batch.slice(0, -1).reduce((sum, entry) => sum + entry.bytes, 0);
    const bytes = bytesBefore + (batch.at(-1)?.bytes ?? 0);
    expect(batch.length).toBeLessThanOrEqual(most.pushes);
    if (batch.length > 1) expect(bytesBefore).toBeLessThan(most.bytes);
    if (left > 0) expect(batch.length === most.pushes || bytes >= most.bytes, 'too few').toBe(true);

    const outcomes = pushes.map(({ outcome }) => outcome);
    expect(outcomes.map((outcome, i) => (outcome === 'superseded' ? isReplaced(batch, outcomes, i) : outcome))).toEqual(
      batch.map(({ isSecond }, i) => (isSecond ? 'duplicate' : isReplaced(batch, outcomes, i) || 'applied')),
    );
    for (const [i, { logged }] of batch.entries()) {
      const outcome = outcomes[i] as Outcome;
      this.#told.push(`${logged.push.id}:${outcome.slice(0, 1)}`);
      if (outcome === 'duplicate') continue;
      for (const model of this.#models) model.apply(logged, moment);
      if (outcome === 'superseded') continue;
      for (const model of this.#lenient) model.apply(logged, moment);
      this.#hidden.delete(logged.value);
    }
    await this.#checkExpiry();
    await this.#checkForgotten(batch, outcomes, fromMs);
  }

  /** What is shown is what the model says. */
  async #check(): Promise<void> {
    for (const group of GROUPS.keys()) {
      const fromMs = Date.now();
      const seen = await shown(group, fromMs);
      const moment: Moment = [fromMs, Date.now()];
      const exactly = this.#models[group]?.shown(moment) ?? [];
      const leniently = this.#lenient[group]?.shown(moment) ?? [];
      const isOne = (of: readonly (Shown | undefined)[]): boolean => of.map(asText).includes(asText(seen));
      const noFailure = (one: Shown | undefined): Shown | undefined => one && { ...one, failedMs: 0 };
      const told = `group ${group} is ${asText(seen)}, not ${exactly.map(asText).join(' or ')}`;
      if (!isOne(exactly)) {
        expect(
          exactly
            .map(noFailure)
            .map(asText)
            .includes(asText(noFailure(seen))),
          told,
        ).toBe(true);
        expect(isOne(leniently), told).toBe(true);
      }
      for (const text of Object.values(seen?.families ?? {})) {
        expect(this.#hidden, 'superseded or not merged').not.toContain(Number(text.split(' ').at(-1)));
      }
    }
  }

  async #checkChanges(): Promise<void> {
    const changes = (await redis.xrange(keys.changes, '-', '+')) as [string, string[]][];
    expect(changes.flatMap(([, [, pushes = '']]) => pushes.split(' '))).toEqual(this.#told);
    const settled = this.#told.filter((one) => !one.endsWith(':d')).map((one) => one.split(':')[0]);
    expect(settled, 'each once').toEqual(this.#logged.map(({ push }) => push.id));
  }

  /** What had expired is not kept by pushes to the group, however long that goes on. */
  async #checkForgotten(batch: readonly Entry[], outcomes: readonly Outcome[], fromMs: number): Promise<void> {
    for (const [group, { id }] of GROUPS.entries()) {
      const isPushed = batch.some(({ logged: { op } }, i) => {
        return op.group === group && outcomes[i] === 'applied' && (op.verb === 'PUT' || op.verb === 'POST');
      });
      if (!isPushed) continue;
      const [record] = await store.load(redis, 0, [id]);
      const expired = [...(record?.families ?? [])].filter(([, { deadlineMs }]) => isPast(deadlineMs, fromMs));
      expect(expired, 'expired, and still stored').toEqual([]);
    }
  }

  /** Redis forgets each group by itself, at its very end. */
  async #checkExpiry(): Promise<void> {
    for (const { id } of GROUPS) {
      const expiresAt = await redis.pexpiretime(keys.group(id));
      const [record] = await store.load(redis, 0, [id]);
      // It may have expired between the two.
      if (record === undefined || expiresAt === -2) continue;
      expect(expiresAt, 'PEXPIREAT').toBe(record.untilMs === 0 ? -1 : record.untilMs);
    }
  }
}

/** 'superseded' when a later push of the same batch replaces all of it, and itself counts. */
function isReplaced(batch: readonly Entry[], outcomes: readonly Outcome[], i: number): 'superseded' | '' {
  const one = batch[i]?.logged.op;
  const isReplacedBy = ({ logged: { op } }: Entry, at: number): boolean => {
    if (at <= i || outcomes[at] === 'duplicate') return false;
    if (op.verb === 'WIPE') return true;
    if (op.group !== one?.group || one.verb === 'WIPE') return false;
    return op.verb === 'DELETE' || (op.verb === 'PUT' && (one.verb === 'PUT' || one.verb === 'POST'));
  };
  return batch.some(isReplacedBy) ? 'superseded' : '';
}

function makePush(one: Op, value: number, startMs: number): Logged {
  const { kind, rank } = one.ttl;
  const arrivalMs = startMs - AGO_MS + value;
  const ttls = { never: 0, past: 1_000 + rank, soon: AGO_MS + SOON_MS - value - rank, future: 2 * AGO_MS + 100 * rank };
  const hasBody = one.verb === 'PUT' || one.verb === 'POST';
  const { id: groupId = '', labels = [] } = GROUPS[one.group] ?? {};
  const families = (hasBody ? one.families : []).map((name) => {
    return { name, content: { type: 'untyped' as const, samples: 1, help: '', text: `${name} ${value}` } };
  });
  const push: Push = {
    id: `push.${value}`,
    verb: one.verb,
    kind: 'push',
    arrivalMs,
    ttlMs: ttls[kind],
    groups: one.verb === 'WIPE' ? [] : [{ groupId, labels: encodeLabels(labels), families }],
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

const asText = (one: Shown | undefined): string => JSON.stringify(one ?? null);

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
  if (untilMs === undefined || isPast(untilMs, nowMs)) return undefined;
  const live = [...state.families].filter(([, { deadlineMs }]) => !isPast(deadlineMs, nowMs)).toSorted(byName);
  return {
    labels: GROUPS[group]?.labels ?? [],
    families: Object.fromEntries(live.map(([name, { value }]) => [name, `${name} ${value}`])),
    pushedMs: state.pushed?.push.arrivalMs ?? 0,
    failedMs: state.failed?.push.arrivalMs ?? 0,
    untilMs,
  };
}

/** After a sweep: the index names the groups that are there, and when they end. */
async function checkIndex(): Promise<void> {
  const index = await redis.zrange(keys.groups, '0', '-1', 'WITHSCORES');
  const scores = new Map<string, string>();
  for (let i = 0; i < index.length; i += 2) scores.set(index[i] ?? '', index[i + 1] ?? '');
  const stored = await redis.keys(`${keys.group('')}*`);
  expect([...scores.keys()].map((id) => keys.group(id)).toSorted(), 'index = keys').toEqual(stored.toSorted());
  for (const [id, score] of scores) {
    const [record] = await store.load(redis, 0, [id]);
    expect(score, 'score').toBe(record?.untilMs === 0 ? 'inf' : String(record?.untilMs));
  }
}

/** What is interrupted because the time is up runs on to its end; the next one must not meet it. */
let running: Promise<unknown> = Promise.resolve();
async function check(history: History): Promise<void> {
  const run = running.then(async () => await runAlone(history));
  running = run.catch(() => {});
  await run;
}

async function runAlone({ ops, steps }: History): Promise<void> {
  await redis.flushall();
  const run = new Run(ops, Date.now());
  for (const one of steps) await run.take(one);
  if (ops.some(({ ttl }) => ttl.kind === 'soon')) await run.take({ do: 'wait' });
  await run.finish();
}

/** `make fuzz` sets no number of runs, but a time. */
const runs = (count: number) => ({ numRuns: Number.isFinite(fc.readConfigureGlobal().numRuns) ? count : Infinity });

it('groups are at each moment as if every push taken so far had been applied alone', async () => {
  const verbs = fc.oneof(often<Verb>('POST', 'PUT', 'DELETE', 'FAIL', 'WIPE'), fc.constantFrom<Verb>('PUT', 'POST'));
  const history = historyOf(opWith(verbs, often('future', 'past', 'never')));
  await fc.assert(fc.asyncProperty(history, check));
});

it('and so they are while they expire', async () => {
  const verbs = often<Verb>('POST', 'PUT', 'FAIL', 'DELETE', 'WIPE');
  const wait = fc.constant({ do: 'wait' as const });
  const history = historyOf(opWith(verbs, often('soon', 'future', 'past', 'never')), wait);
  await fc.assert(fc.asyncProperty(history, check), runs(60));
});
