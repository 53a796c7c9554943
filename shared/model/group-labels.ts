/**
 * What the official gateway does to each series of a push (`sanitizeLabels` of its storage/diskmetricstore.go).
 */
import { byName, haveSameNames, sortedByName } from './labels.ts';
import type { Families, LabelPair, Labels } from './metric-family.ts';

/** Two families that the gateway adds to every pushed group. What is pushed under these names is dropped. */
export const PUSH_TIME = 'push_time_seconds';
export const PUSH_FAILURE_TIME = 'push_failure_time_seconds';

export function isPushTime(family: string): boolean {
  return family === PUSH_TIME || family === PUSH_FAILURE_TIME;
}

export function dropPushTimes(families: Families): void {
  families.delete(PUSH_TIME);
  families.delete(PUSH_FAILURE_TIME);
}

const NO_INSTANCE: LabelPair = ['instance', ''];

/**
 * Gives every series the labels of its group, which override its own, and `instance=""` if neither has an instance;
 * sorts the labels by name; drops push times. Changes the families it is given, and returns them.
 *
 * A label that occurs twice is kept twice, so that `checkPush` refuses it.
 */
export function applyGroupingLabels(families: Families, grouping: Labels): Families {
  dropPushTimes(families);
  const merge = new Merger(grouping);
  for (const { metrics } of families.values()) {
    for (const metric of metrics) metric.labels = merge.with(metric.labels);
  }
  return families;
}

/** Sorts the labels of every series by name. Changes the families it is given, and returns them. */
export function sortLabels(families: Families): Families {
  for (const { metrics } of families.values()) {
    for (const metric of metrics) metric.labels = sortedByName(metric.labels);
  }
  return families;
}

/**
 * `instance=""` and no instance make two groups whose push times would be the same series. The grouping labels of the
 * other group; undefined for a group with an instance.
 */
export function twinLabels(grouping: Labels): Labels | undefined {
  const instance = grouping.find(([name]) => name === 'instance');
  if (instance === undefined) return withInstance(grouping);
  return instance[1] === '' ? grouping.filter((pair) => pair !== instance) : undefined;
}

/** The labels of a series without labels of its own, such as a push time. `grouping` is sorted. */
export function withInstance(grouping: Labels): Labels {
  const at = grouping.findIndex(([name]) => name >= 'instance');
  if (grouping[at]?.[0] === 'instance') return grouping;
  return at === -1 ? [...grouping, NO_INSTANCE] : grouping.toSpliced(at, 0, NO_INSTANCE);
}

/** A label of a merged set: one of the series, by its index, or one of the group. */
type Step = number | LabelPair;

/** Plans once for all series with the same label names in the same order, as those of a family usually have. */
class Merger {
  readonly #grouping: Labels;
  #steps: Step[] | undefined;
  #plannedFor: Labels = [];
  readonly #scratch: LabelPair[] = [];
  #latest: Labels | undefined;
  #latestMerged: Labels = [];

  constructor(grouping: Labels) {
    this.#grouping = grouping;
  }

  with(own: Labels): Labels {
    if (own === this.#latest) return this.#latestMerged; // Series of several families share their labels.
    if (this.#steps === undefined || !haveSameNames(own, this.#plannedFor)) {
      this.#steps = plan(own, this.#grouping);
      this.#plannedFor = own;
    }
    // Collected in an array that has grown already, and copied with one allocation.
    const scratch = this.#scratch;
    let count = 0;
    for (const step of this.#steps) {
      const pair = typeof step === 'number' ? own[step] : step;
      if (pair !== undefined) scratch[count++] = pair;
    }
    this.#latest = own;
    this.#latestMerged = scratch.slice(0, count);
    return this.#latestMerged;
  }
}

function plan(own: Labels, grouping: Labels): Step[] {
  const left = new Map(grouping.map((pair) => [pair[0], pair]));
  const steps: (readonly [name: string, step: Step])[] = own.map(([name], index) => {
    const override = left.get(name);
    left.delete(name);
    return [name, override ?? index];
  });
  for (const pair of left.values()) steps.push([pair[0], pair]);
  if (!steps.some(([name]) => name === 'instance')) steps.push(['instance', NO_INSTANCE]);
  return steps.toSorted(byName).map(([, step]) => step);
}
