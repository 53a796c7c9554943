import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import type { MetricType } from '../../shared/model/metric-family.ts';
import { groupOrder, makeGroup, type Group } from '../../shared/model/group.ts';
import { Catalogue } from '../../services/ingest/catalogue/catalogue.ts';
import type { CataloguedPush } from '../../services/ingest/catalogue/catalogued-push.ts';
import { checkConsistency } from '../../services/ingest/catalogue/consistency-rules.ts';
import type { FamilyRecord } from '../../shared/records/family-record.ts';
import type { GroupRecord } from '../../shared/records/group-record.ts';
import { stampOf } from '../support/stamp.ts';

// A catalogue that follows changes of groups or families and pushes of its own node refuses the same pushes as one that
// has just read everything.

/** Two of them could hold the same series. */
const GROUPS: readonly Group[] = [
  makeGroup('push', [['job', 'a']]),
  makeGroup('push', [['job', 'b']]),
  makeGroup('push', [
    ['host', 'h'],
    ['job', 'a'],
  ]),
];
const TYPES: readonly MetricType[] = ['gauge', 'counter', 'histogram'];
/** Those that change; a large group has many more, the same for all. */
const NAMES = ['x', 'x_sum', 'x_bucket', 'y', 'z'];
const FILLING = Array.from({ length: 110 }, (_, i) => `filling_${i}`);
const PROBES = [...NAMES, 'filling_7'];
/** Longer than the catalogue may delay removing expired families of a large group. */
const STEP_MS = 1_000;
const START_MS = 1_000_000;

interface Family {
  readonly name: string;
  readonly type: MetricType;
  readonly samples: number;
  readonly ttl: number;
}

interface Pushed {
  readonly do: 'push';
  readonly group: number;
  readonly put: boolean;
  readonly families: readonly Family[];
  /** A push of this node. */
  readonly own: boolean;
  /** For a POST the feed names only the families, if that is enough. */
  readonly part: boolean;
}

type Step =
  | Pushed
  | { readonly do: 'merge'; readonly count: number }
  | { readonly do: 'abandon' }
  | { readonly do: 'fill' | 'remove'; readonly group: number }
  | { readonly do: 'pass'; readonly steps: number };

const anyGroup = fc.nat({ max: GROUPS.length - 1 });
const family: fc.Arbitrary<Family> = fc.record({
  name: fc.constantFrom(...NAMES, 'filling_7'),
  type: fc.constantFrom('gauge' as const, ...TYPES),
  samples: fc.constantFrom(1, 1, 1, 0),
  /** 0 = never. */
  ttl: fc.nat({ max: 4 }),
});
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('push' as const),
      group: anyGroup,
      put: fc.constantFrom(true, false, false, false),
      families: fc.array(family, { maxLength: 3 }),
      own: fc.boolean(),
      part: fc.constantFrom(true, true, false),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('merge' as const), count: fc.integer({ min: 1, max: 3 }) }) },
  fc.record({ do: fc.constant('abandon' as const) }),
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('fill' as const, 'remove' as const), group: anyGroup }) },
  fc.record({ do: fc.constant('pass' as const), steps: fc.integer({ min: 1, max: 2 }) }),
);

const isPast = (deadlineMs: number, nowMs: number): boolean => deadlineMs !== 0 && deadlineMs <= nowMs;
const latest = (deadlines: readonly number[]): number => (deadlines.includes(0) ? 0 : Math.max(...deadlines));

/** Does what merge.lua would do, and reports it as the feed would. */
class Run {
  readonly catalogue = new Catalogue();
  readonly #stored = new Map<string, GroupRecord>();
  /** Pushes that are not merged yet. */
  readonly #log: { readonly push: CataloguedPush; readonly isPart: boolean; readonly isOwn: boolean }[] = [];
  #nowMs = START_MS;
  #count = 0;

  take(one: Step): void {
    switch (one.do) {
      case 'push':
        this.#append(one, one.families);
        break;
      case 'fill':
        this.#append(
          { do: 'push', group: one.group, put: false, own: false, part: true, families: [] },
          FILLING.map((name) => ({ name, type: 'gauge', samples: 1, ttl: 9 })),
        );
        break;
      case 'remove': {
        const of = GROUPS[one.group] as Group;
        this.#stored.delete(of.id);
        this.catalogue.set(of.id, undefined, this.#nowMs);
        break;
      }
      case 'merge':
        for (const { push, isPart } of this.#log.splice(0, one.count)) this.#merge(push, isPart);
        break;
      case 'abandon': {
        // Not the last appended push, because a later one may rely on it; the feed reports that one.
        const last = this.#log.findLastIndex(({ isOwn }) => isOwn);
        const [lost] = last === -1 ? [] : this.#log.splice(last, 1);
        if (lost !== undefined) for (const id of this.catalogue.unsettled.settle(lost.push.id)) this.#setWhole(id);
        break;
      }
      case 'pass':
        this.#nowMs += one.steps * STEP_MS;
        break;
      default:
        one satisfies never;
    }
  }

  check(): void {
    this.take({ do: 'merge', count: Infinity });
    for (let i = 0; i < 4; i++) {
      const fresh = new Catalogue();
      for (const [id, record] of this.#stored) fresh.set(id, record, this.#nowMs);
      expect(this.#refused(this.catalogue)).toEqual(this.#refused(fresh));
      expect(new Set(this.catalogue.ids())).toEqual(new Set(fresh.ids()));
      this.#nowMs += STEP_MS;
    }
  }

  #append(one: Pushed, families: readonly Family[]): void {
    const { id: groupId, kind, labels } = GROUPS[one.group] as Group;
    const ttls = new Map(families.map(({ name, ttl }) => [name, ttl]));
    // A push has one TTL, so families with another TTL are separate pushes.
    for (const ttl of new Set(families.length === 0 ? [2] : ttls.values())) {
      const push: CataloguedPush = {
        id: `p${this.#count++}`,
        verb: one.put ? 'PUT' : 'POST',
        kind,
        labels,
        groupId,
        deadlineMs: ttl === 0 ? 0 : this.#nowMs + ttl * STEP_MS,
        families: new Map(
          families
            .filter(({ name }) => ttls.get(name) === ttl)
            .map(({ name, type, samples }) => [name, { name, content: { type, samples, help: '', text: '' } }]),
        ),
      };
      if (one.own) this.catalogue.expect([push]);
      this.#log.push({ push, isPart: one.part, isOwn: one.own });
    }
  }

  #merge({ id, verb, groupId, kind, labels, families, deadlineMs }: CataloguedPush, isPart: boolean): void {
    const stored = this.#stored.get(groupId);
    const held = stored === undefined || isPast(stored.untilMs, this.#nowMs) ? undefined : stored;
    const written = new Map<string, FamilyRecord>();
    const stamp = stampOf(`1-${this.#count++}`);
    const bytes = { text: Buffer.alloc(0), exact: Buffer.alloc(0) };
    for (const [name, { content }] of families) {
      const { type, samples, help } = content;
      written.set(name, { stamp, deadlineMs, arrivalMs: 0, type, samples, help, ...bytes });
    }
    const all = new Map([...(verb === 'POST' ? (held?.families ?? []) : []), ...written]);
    const live = new Map([...all].filter(([, one]) => !isPast(one.deadlineMs, this.#nowMs)));
    const untilMs = latest([deadlineMs, ...Array.from(live.values(), (one) => one.deadlineMs)]);
    const record: GroupRecord = {
      id: groupId,
      kind,
      labels,
      order: groupOrder(kind, labels),
      top: stamp,
      pushedMs: 0,
      failedMs: 0,
      untilMs,
      families: live,
    };
    if (isPast(untilMs, this.#nowMs)) this.#stored.delete(groupId);
    else this.#stored.set(groupId, record);
    this.catalogue.unsettled.settle(id);
    const isTold = isPart && verb === 'POST' && held !== undefined && !isPast(untilMs, this.#nowMs);
    if (!isTold || !this.catalogue.update(groupId, { ...record, families: written }, this.#nowMs))
      this.#setWhole(groupId);
  }

  #setWhole(id: string): void {
    this.catalogue.set(id, this.#stored.get(id), this.#nowMs);
  }

  /** Of all pushes of one family, those that are refused or depend on the content of another group. */
  #refused(catalogue: Catalogue): string[] {
    const refused: string[] = [];
    for (const { id: groupId, kind, labels } of GROUPS) {
      for (const name of PROBES) {
        for (const type of TYPES) {
          for (const verb of ['PUT', 'POST'] as const) {
            const text = `${name}{host="h",job="a"} 1\n`;
            const families = new Map([[name, { name, content: { type, samples: 1, help: '', text } }]]);
            const push = { id: '', verb, kind, labels, groupId, deadlineMs: 0, families };
            const what = `${verb} ${name} as ${type} to ${JSON.stringify(labels)}`;
            try {
              const suspects = checkConsistency(catalogue, push, this.#nowMs);
              if (suspects.length > 0) refused.push(`${what}: ${suspects.map((one) => one.groupId).join(' ')}`);
            } catch {
              refused.push(what);
            }
          }
        }
      }
    }
    return refused;
  }
}

/** `make fuzz` sets a time instead of a number of runs. */
const runs = (count: number) => ({ numRuns: Number.isFinite(fc.readConfigureGlobal().numRuns) ? count : Infinity });

it('is equal to a catalogue that has just read everything', () => {
  fc.assert(
    fc.property(fc.subarray([0, 1, 2]), fc.array(step, { maxLength: 30 }), (large, steps) => {
      const run = new Run();
      for (const group of large) run.take({ do: 'fill', group });
      for (const one of steps) run.take(one);
      run.check();
    }),
    runs(1_000),
  );
});
