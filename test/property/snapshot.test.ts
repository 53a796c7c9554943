import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { checkPush } from '../../shared/exposition/check/check-push.ts';
import { isPushTime, PUSH_FAILURE_TIME, PUSH_TIME, withInstance } from '../../shared/model/group-labels.ts';
import type { Family, Labels, MetricType } from '../../shared/model/metric-family.ts';
import { parseText } from '../../shared/exposition/text/parse-text.ts';
import { renderHeader, renderSamples } from '../../shared/exposition/text/render-text.ts';
import { groupOrder, makeGroup, shardOf, type Group } from '../../shared/model/group.ts';
import { encodeLabels, sortedByName } from '../../shared/model/labels.ts';
import type { FamilyRecord } from '../../shared/records/family-record.ts';
import type { GroupRecord } from '../../shared/records/group-record.ts';
import { Snapshot } from '../../services/reader/snapshot/snapshot.ts';
import { stampOf } from '../support/stamp.ts';

// The snapshot, changed by group or by family, is always equal to a plain rendering of everything that has not expired.

/** Some can hold the same series: {job="a",host="h"} has those of {job="a"} with a host label of their own. */
const GROUPS: readonly Group[] = [
  makeGroup('push', [['job', 'a']]),
  makeGroup('push', [['job', 'b']]),
  makeGroup('push', [
    ['host', 'h'],
    ['job', 'a'],
  ]),
  makeGroup('push', [
    ['instance', ''],
    ['job', 'a'],
  ]),
  makeGroup('ingest', [
    ['host', 'h'],
    ['instance', ''],
    ['job', 'a'],
  ]),
  makeGroup('ingest', [
    ['instance', ''],
    ['job', 'a'],
  ]),
];
const NAMES = ['a', 'x', 'x_sum', 'x_count', 'x_bucket', 'x_sum_y', 'ä', PUSH_TIME];

interface Pushed {
  /** One of the names that this run uses. */
  readonly name: number;
  readonly type: MetricType;
  readonly help: string;
  readonly own: readonly Labels[];
  readonly value: number;
  readonly ttl: number;
}

type Step =
  | {
      readonly do: 'push';
      readonly group: number;
      readonly put: boolean;
      /** If possible, the snapshot only receives the families of the push. */
      readonly part: boolean;
      readonly at: number;
      readonly families: Pushed[];
    }
  | { readonly do: 'fail'; readonly group: number; readonly part: boolean; readonly ttl: number }
  | { readonly do: 'remove'; readonly group: number }
  | { readonly do: 'set again'; readonly group: number }
  | { readonly do: 'pass'; readonly ms: number };

const anyGroup = fc.nat({ max: GROUPS.length - 1 });
/** 0 = never. */
const ttl = fc.nat({ max: 6 });
const pushed: fc.Arbitrary<Pushed> = fc.record({
  name: fc.nat({ max: 2 }),
  type: fc.constantFrom<MetricType>('gauge', 'gauge', 'counter', 'untyped', 'summary', 'histogram'),
  help: fc.constantFrom('', 'help', 'größer\n\\'),
  own: fc.subarray<Labels>([[], [['host', 'h']], [['zone', '"z\n"']]]),
  value: fc.nat({ max: 9 }),
  // A late change may have expired when it arrives.
  ttl: fc.integer({ min: -1, max: 6 }),
});
/** Few names, so that groups have names in common. */
const someNames = fc.oneof(
  fc.constantFrom(['x'], ['x', 'x_sum', 'x_bucket'], [PUSH_TIME, 'x']),
  fc.subarray(NAMES, { minLength: 1, maxLength: 3 }),
);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('push' as const),
      group: anyGroup,
      put: fc.boolean(),
      part: fc.boolean(),
      at: fc.nat({ max: 9 }),
      families: fc.array(pushed, { maxLength: 3 }),
    }),
  },
  fc.record({ do: fc.constant('fail' as const), group: anyGroup, part: fc.boolean(), ttl }),
  fc.record({ do: fc.constant('remove' as const), group: anyGroup }),
  fc.record({ do: fc.constant('set again' as const), group: anyGroup }),
  { weight: 2, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 3 }) }) },
);

const START_MS = 1_000_000;
const isPast = (deadlineMs: number, nowMs: number): boolean => deadlineMs !== 0 && deadlineMs <= nowMs;
const after = (ms: number, nowMs: number): number => (ms === 0 ? 0 : nowMs + ms);
const latest = (deadlines: readonly number[]): number => (deadlines.includes(0) ? 0 : Math.max(...deadlines));

function familyRecord(
  name: string,
  { type, help, own, value, ttl: ms }: Pushed,
  of: Group,
  stamp: string,
  nowMs: number,
): FamilyRecord {
  // A label set of /ingest is one group.
  const labels =
    of.kind === 'ingest' ? [of.labels] : own.map((some) => [...new Map([...withInstance([]), ...some, ...of.labels])]);
  const unique = [...new Map(labels.map((some) => [encodeLabels(some), sortedByName(some)])).values()];
  let family: Family;
  if (type === 'summary') {
    family = {
      name,
      help,
      type,
      metrics: unique.map((some) => ({ labels: some, quantiles: [[0.5, value]], sampleCount: 1, sampleSum: value })),
    };
  } else if (type === 'histogram' || type === 'gauge_histogram') {
    family = {
      name,
      help,
      type,
      metrics: unique.map((some) => ({ labels: some, buckets: [[1, value]], sampleCount: value, sampleSum: 1 })),
    };
  } else {
    family = { name, help, type, metrics: unique.map((some) => ({ labels: some, value })) };
  }
  const text = Buffer.from(renderSamples(family));
  const samples = text.toString().split('\n').length - 1;
  return { stamp, deadlineMs: after(ms, nowMs), arrivalMs: nowMs, type, samples, help, text, exact: Buffer.alloc(0) };
}

/* ---------------------------------------------------------------- the model: a complete rendering */

interface Holding {
  readonly group: Group;
  readonly order: string;
  readonly name: string;
  readonly type: MetricType;
  readonly help: string;
  readonly stamp: string;
  readonly samples: number;
  readonly text: string;
  readonly series: ReadonlySet<string>;
}

interface Held {
  readonly group: Group;
  record: GroupRecord;
}

function holding(
  held: Held,
  name: string,
  { type, help, samples }: Pick<FamilyRecord, 'type' | 'help' | 'samples'>,
  stamp: string,
  text: string,
): Holding {
  const series = new Set(
    text
      .split('\n')
      .slice(0, -1)
      .map((line) => line.slice(0, line.lastIndexOf(' '))),
  );
  const order = held.group.kind + encodeLabels(held.group.labels);
  return { group: held.group, order, name, type, help, stamp, samples, text, series };
}

function holdingsOf(held: Held, nowMs: number): Holding[] {
  const { record, group: of } = held;
  const found: Holding[] = [];
  for (const [name, family] of record.families) {
    // Older gateways accepted families of these names on /ingest.
    if (isPast(family.deadlineMs, nowMs) || family.samples === 0 || isPushTime(name)) continue;
    found.push(holding(held, name, family, family.stamp, family.text.toString()));
  }
  if (of.kind === 'ingest') return found;
  const times = {
    [PUSH_TIME]: ['succeeded', record.pushedMs],
    [PUSH_FAILURE_TIME]: ['failed', record.failedMs],
  } as const;
  for (const [name, [what, ms]] of Object.entries(times)) {
    const help = `Last Unix time when changing this group in the Pushgateway ${what}.`;
    const metrics = [{ labels: withInstance(of.labels), value: ms / 1000 }];
    const text = renderSamples({ name, help, type: 'gauge', metrics });
    found.push(holding(held, name, { type: 'gauge', help, samples: 1 }, '', text));
  }
  return found;
}

const isOlder = (a: Holding, b: Holding): boolean =>
  a.stamp === b.stamp ? a.group.id < b.group.id : a.stamp < b.stamp;
const by =
  <T>(key: (one: T) => string) =>
  (a: T, b: T): number =>
    key(a) < key(b) ? -1 : 1;

/** `part`: renders only these groups; conflicts are decided among all groups. */
function renderAll(groups: Iterable<Held>, nowMs: number, part: (group: Group) => boolean = () => true) {
  const live = [...groups].filter(({ record }) => !isPast(record.untilMs, nowMs));
  const all = live.flatMap((held) => holdingsOf(held, nowMs));
  const families = new Map<string, Holding[]>();
  for (const one of all.toSorted(by(({ order }) => order)))
    families.set(one.name, [...(families.get(one.name) ?? []), one]);
  const typesOf = (name: string): MetricType[] => (families.get(name) ?? []).map(({ type }) => type);

  const keptOut: string[] = [];
  let text = '';
  for (const [name, holders] of [...families].toSorted(by(([family]) => `${family}\0`))) {
    const base = /^(.+)_(sum|count|bucket)$/.exec(name);
    const clashes = typesOf(base?.[1] ?? '').some(
      (type) => type === 'histogram' || (type === 'summary' && base?.[2] !== 'bucket'),
    );
    const oldest = holders.reduce((a, b) => (isOlder(b, a) ? b : a));
    const shown: Holding[] = [];
    for (const one of holders) {
      const rivals = holders.filter((other) => other.type === oldest.type && isOlder(other, one));
      let reason: string | undefined;
      if (clashes) reason = 'clash';
      else if (one.type !== oldest.type) reason = 'type';
      else if (rivals.some((other) => [...other.series].some((series) => one.series.has(series)))) reason = 'duplicate';
      if (reason === undefined) {
        if (part(one.group)) shown.push(one);
      } else keptOut.push(`${name} of ${one.order}: ${reason}`);
    }
    if (shown[0] !== undefined) text += renderHeader(name, shown[0].help, shown[0].type);
    text += shown.map((one) => one.text).join('');
  }
  const stats = {
    groups: live.length,
    families: families.size,
    series: all.reduce((sum, { samples }) => sum + samples, 0),
    bytes: all.reduce((sum, one) => sum + Buffer.byteLength(one.text), 0),
    keptOut: keptOut.length,
  };
  return { text, stats, keptOut: keptOut.toSorted() };
}

/* ---------------------------------------------------------------- one run */

class Run {
  readonly snapshot = new Snapshot();
  readonly #model = new Map<string, Held>();
  readonly #handedOut: { readonly buffers: readonly Buffer[]; readonly text: string; readonly version: number }[] = [];
  readonly #names: readonly string[];
  #nowMs = START_MS;
  #count = 0;
  /** Does not become false again. */
  divided = false;

  constructor(names: readonly string[]) {
    this.#names = names;
  }

  take(one: Step): void {
    if (one.do === 'pass') {
      this.#nowMs += one.ms;
      return;
    }
    const of = GROUPS[one.group] as Group;
    const held = this.#model.get(of.id);
    const before = held !== undefined && !isPast(held.record.untilMs, this.#nowMs) ? held : undefined;
    switch (one.do) {
      case 'push': {
        // Changes of different groups may arrive in another order than that of the log.
        const stamp = stampOf(`${one.at}-${this.#count++}`);
        const families = new Map(one.put ? [] : before?.record.families);
        const written = new Map<string, FamilyRecord>();
        for (const family of one.families) {
          const name = this.#names[family.name % this.#names.length] ?? '';
          // In a pushed group that name is reserved.
          if (name === PUSH_TIME && of.kind === 'push') continue;
          written.set(name, familyRecord(name, family, of, stamp, this.#nowMs));
        }
        for (const [name, family] of written) families.set(name, family);
        const untilMs = latest([this.#nowMs + 2, ...[...families.values()].map(({ deadlineMs }) => deadlineMs)]);
        const failedMs = before?.record.failedMs ?? 0;
        const order = groupOrder(of.kind, of.labels);
        const record = { ...of, order, top: stamp, pushedMs: this.#nowMs, failedMs, untilMs, families };
        const isPart = one.part && !one.put && before !== undefined;
        this.#set(of, record, isPart ? { ...record, families: written } : undefined);
        break;
      }
      case 'fail':
        if (of.kind === 'ingest') break;
        this.#set(
          of,
          before === undefined
            ? {
                ...of,
                order: groupOrder(of.kind, of.labels),
                top: '',
                pushedMs: 0,
                failedMs: this.#nowMs,
                untilMs: after(one.ttl, this.#nowMs),
                families: new Map(),
              }
            : { ...before.record, failedMs: this.#nowMs },
          before === undefined || !one.part
            ? undefined
            : { ...before.record, failedMs: this.#nowMs, families: new Map() },
        );
        break;
      case 'remove':
        this.#set(of, undefined);
        break;
      case 'set again':
        this.#set(of, held?.record);
        break;
      default:
        one satisfies never;
    }
  }

  async check(): Promise<void> {
    this.snapshot.expire(this.#nowMs);
    const expected = renderAll(this.#model.values(), this.#nowMs);
    const { buffers } = this.snapshot.text.chunks();
    const text = Buffer.concat(buffers).toString();
    expect(text).toBe(expected.text);
    expect(this.snapshot.stats).toEqual(expected.stats);
    const keptOut = this.snapshot
      .keptOut(Infinity)
      .map((one) => `${one.family} of ${one.kind}${encodeLabels(one.labels)}: ${one.reason}`);
    expect(keptOut.toSorted()).toEqual(expected.keptOut);
    // Valid: one TYPE for each family (the parser refuses a second), no duplicate series, no suffix collisions.
    checkPush(parseText(text, { utf8Names: true }));
    const before = this.#handedOut.at(-1);
    if (before !== undefined && before.text !== text) expect(this.snapshot.version).not.toBe(before.version);
    this.#handedOut.push({ buffers, text, version: this.snapshot.version });
    if (this.divided) for (const i of [0, 1]) await this.#checkPart(i, 2);
  }

  async #checkPart(i: number, n: number): Promise<void> {
    const { buffers } = (await this.snapshot.partition(i, n, this.#nowMs))?.chunks() ?? { buffers: [] };
    const { text } = renderAll(this.#model.values(), this.#nowMs, ({ id }) => shardOf(id, n) === i);
    expect(Buffer.concat(buffers).toString(), `part ${i}/${n}`).toBe(text);
  }

  checkHandedOut(): void {
    for (const { buffers, text } of this.#handedOut) expect(Buffer.concat(buffers).toString()).toBe(text);
  }

  /** `part` is what the snapshot receives if it holds the group. */
  #set(of: Group, record: GroupRecord | undefined, part?: GroupRecord): void {
    // In any order: the snapshot is not notified when something expires.
    if (part === undefined) this.snapshot.expire(this.#nowMs);
    for (const [id, held] of this.#model) if (isPast(held.record.untilMs, this.#nowMs)) this.#model.delete(id);
    const isUpdated = part !== undefined && this.snapshot.update(of.id, part, this.#nowMs);
    if (!isUpdated) this.snapshot.set(of.id, record, this.#nowMs);
    const held = this.#model.get(of.id);
    if (record === undefined || isPast(record.untilMs, this.#nowMs)) this.#model.delete(of.id);
    else if (held === undefined) this.#model.set(of.id, { group: of, record });
    else held.record = record;
  }
}

/** `make fuzz` sets a time instead of a number of runs. */
const runs = (count: number) => ({ numRuns: Number.isFinite(fc.readConfigureGlobal().numRuns) ? count : Infinity });

/** Regressions. */
function pushOf(group: number, name: number, type: MetricType, label: string): Step {
  const family = { name, type, help: '', own: [[[label, 'h']] as const], value: 0, ttl: 0 };
  return { do: 'push', group, put: false, part: false, at: 0, families: [family] };
}
const EXAMPLES: [string[], Step[], number, number][] = [
  // A summary becomes a histogram, so its buckets collide, too.
  [['x', 'x_bucket'], [pushOf(0, 0, 'summary', 'z'), pushOf(0, 1, 'gauge', 'z'), pushOf(0, 0, 'histogram', 'z')], 0, 0],
  // Two types become one, so these two hold the same series.
  [['x'], [pushOf(3, 0, 'summary', 'z'), pushOf(0, 0, 'gauge', 'host'), pushOf(3, 0, 'gauge', 'host')], 0, 0],
];

it('is equal to a plain rendering, and valid, as a whole and in partitions', async () => {
  const divideAt = fc.nat({ max: 60 });
  await fc.assert(
    fc.asyncProperty(
      someNames,
      fc.array(step, { maxLength: 30 }),
      // Finally a snapshot that is not read until it is complete.
      fc.oneof({ weight: 4, arbitrary: fc.nat({ max: 3 }) }, fc.constant(30)),
      divideAt,
      async (names, steps, every, divided) => {
        const run = new Run(names);
        for (const [i, one] of steps.entries()) {
          run.take(one);
          if (i >= divided) run.divided = true;
          if (i % (every + 1) === every) await run.check();
        }
        await run.check();
        run.checkHandedOut();
      },
    ),
    { ...runs(2_000), examples: EXAMPLES },
  );
});
