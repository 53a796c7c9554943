/**
 * What the official gateway does to each series of a push (`sanitizeLabels` of its storage/diskmetricstore.go).
 */
import type { Families, LabelPair, Labels } from './model.ts';

/** Every group has these two; the gateway makes them, whatever was pushed under their names. */
export const PUSH_TIME = 'push_time_seconds';
export const PUSH_FAILURE_TIME = 'push_failure_time_seconds';

const NO_INSTANCE: LabelPair = ['instance', ''];

/**
 * Gives every series the labels of its group, which win over its own, and `instance=""` when there is neither; sorts the labels by name;
 * drops families that are the gateway's own. Changes the families it was given, and returns them.
 *
 * A label that is there twice stays there twice: `checkPush` refuses it.
 */
export function applyGroupingLabels(families: Families, grouping: Labels): Families {
  families.delete(PUSH_TIME);
  families.delete(PUSH_FAILURE_TIME);
  for (const { metrics } of families.values()) {
    for (const metric of metrics) metric.labels = mergeLabels(metric.labels, grouping);
  }
  return families;
}

/** Sorts the labels of every series by name, for families that belong to no pushed group. */
export function sortLabels(families: Families): Families {
  for (const { metrics } of families.values()) {
    for (const metric of metrics) metric.labels = sortedByName(metric.labels);
  }
  return families;
}

/** The labels of a series in a group; also those of the group's push times, whose `own` are none. */
export function mergeLabels(own: Labels, grouping: Labels): Labels {
  const merged: LabelPair[] = [];
  let hasInstance = false;
  let overridden = 0;
  for (const pair of own) {
    const name = pair[0];
    if (name === 'instance') hasInstance = true;
    const override = grouping.find((group) => group[0] === name);
    if (override === undefined || merged.includes(override)) {
      merged.push(pair);
    } else {
      merged.push(override);
      overridden++;
    }
  }
  for (const pair of grouping) {
    if (overridden > 0 && merged.includes(pair)) continue;
    merged.push(pair);
    if (pair[0] === 'instance') hasInstance = true;
  }
  if (!hasInstance) merged.push(NO_INSTANCE);
  return sortedByName(merged);
}

/** The labels themselves, when they are sorted already. */
export function sortedByName(labels: Labels): Labels {
  let previous = '';
  for (const [name] of labels) {
    if (name < previous) return labels.length > FEW ? labels.toSorted(byName) : inserted(labels);
    previous = name;
  }
  return labels;
}

/** For a handful of labels, insertion is several times as fast as `toSorted`. */
const FEW = 32;

function inserted(labels: Labels): Labels {
  const sorted: LabelPair[] = [];
  for (const pair of labels) {
    let at = sorted.length;
    for (let before = sorted[at - 1]; before !== undefined && before[0] > pair[0]; before = sorted[at - 1]) {
      sorted[at--] = before;
    }
    sorted[at] = pair;
  }
  return sorted;
}

function byName(a: LabelPair, b: LabelPair): number {
  if (a[0] === b[0]) return 0;
  return a[0] < b[0] ? -1 : 1;
}
