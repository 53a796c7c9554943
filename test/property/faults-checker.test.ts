import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { check } from '../faults/harness/checker.ts';
import {
  afterPush,
  EMPTY,
  type Content,
  type Fate,
  type GroupView,
  type Observation,
  type Push,
  type Verb,
} from '../faults/harness/history.ts';

// The checker must accept everything that a gateway may do, and find one acknowledged push that is missing from the
// log.

interface Plan {
  readonly verb: Verb;
  readonly fate: Fate;
  /** Of an indeterminate push: number of later pushes that precede it in the log; null = it is never in the log. */
  readonly delay: number | null;
}

const plan = fc.record<Plan>({
  verb: fc.constantFrom('PUT', 'PUT', 'POST', 'DELETE'),
  fate: fc.oneof({ weight: 6, arbitrary: fc.constant('ok' as const) }, fc.constantFrom('refused', 'indeterminate')),
  delay: fc.option(fc.nat(4)),
});
const plans = fc
  .array(plan, { maxLength: 16 })
  .filter((all) => all.filter(({ fate }) => fate === 'indeterminate').length <= 5);

/** Push i is sent at i × 100 and answered at i × 100 + 50. */
function toPushes(all: readonly Plan[]): Push[] {
  return all.map(({ verb, fate }, i) => {
    return { group: 'g', value: i + 1, verb, fate, sentMs: i * 100, answeredMs: i * 100 + 50, answer: '' };
  });
}

/** Positions of the pushes that took effect, in the order of the log. */
function toLog(all: readonly Plan[]): number[] {
  const at = (i: number): number => (all[i]?.fate === 'ok' ? i : i + (all[i]?.delay ?? 0) + 0.5);
  const kept = all.flatMap(({ fate, delay }, i) =>
    fate === 'ok' || (fate === 'indeterminate' && delay !== null) ? [i] : [],
  );
  return kept.toSorted((one, other) => at(one) - at(other) || one - other);
}

interface Step {
  readonly content: Content;
  readonly sentMs: number;
}

/** What the group holds after each entry of the log. */
function contents(pushes: readonly Push[], log: readonly number[]): Step[] {
  let content: Content = EMPTY;
  let sentMs = -1;
  const steps: Step[] = [{ content, sentMs }];
  for (const i of log) {
    const push = pushes[i] as Push;
    content = afterPush(content, push);
    sentMs = Math.max(sentMs, push.sentMs);
    steps.push({ content, sentMs });
  }
  return steps;
}

/** A reader that shows some of the steps, between the earliest possible time and `lagMs` later. */
function observe(
  reader: string,
  pushes: readonly Push[],
  steps: readonly Step[],
  shows: readonly boolean[],
  lagMs: number,
): Observation[] {
  return steps.flatMap(({ content, sentMs }, i) => {
    if (i < steps.length - 1 && shows[i % shows.length] !== true) return [];
    return [toObservation(reader, pushes, content, Math.max(0, sentMs) + lagMs)];
  });
}

function toObservation(reader: string, pushes: readonly Push[], content: Content, atMs: number): Observation {
  const newest = pushes.find(({ value }) => value === Math.max(...content));
  const view: GroupView = { content, pushedMs: newest?.sentMs };
  const groups = new Map(newest === undefined ? [] : [['g', view]]);
  return { reader, askedMs: atMs, answeredMs: atMs, groups };
}

const shows = fc.array(fc.boolean(), { minLength: 1, maxLength: 7 });

test('everything that a gateway may do is accepted', () => {
  fc.assert(
    fc.property(plans, shows, shows, fc.nat(500), (all, one, two, lagMs) => {
      const pushes = toPushes(all);
      const steps = contents(pushes, toLog(all));
      const observations = [...observe('r1', pushes, steps, one, 0), ...observe('r2', pushes, steps, two, lagMs)];
      const end = steps.at(-1)?.content ?? EMPTY;
      const final = ['r1', 'r2'].map((reader) => toObservation(reader, pushes, end, 10_000));
      expect(check({ history: { pushes, flushes: [] }, observations, final, faultEndMs: 0 }).violations).toEqual([]);
    }),
  );
});

test('a missing acknowledged push that has an effect is reported as lost', () => {
  fc.assert(
    fc.property(plans, fc.nat(), (all, pick) => {
      const certain = all.map((one) => ({
        ...one,
        fate: one.fate === 'indeterminate' ? ('refused' as const) : one.fate,
      }));
      const pushes = toPushes(certain);
      const log = toLog(certain);
      if (log.length === 0) return;
      const end = contents(pushes, log).at(-1)?.content ?? EMPTY;
      const robbed = contents(pushes, log.toSpliced(pick % log.length, 1)).at(-1)?.content ?? EMPTY;
      fc.pre(robbed.join() !== end.join());
      const final = [toObservation('r1', pushes, robbed, 10_000)];
      const { violations } = check({ history: { pushes, flushes: [] }, observations: [], final, faultEndMs: 0 });
      expect(violations.map(({ kind }) => kind)).toContain('lost');
    }),
  );
});
