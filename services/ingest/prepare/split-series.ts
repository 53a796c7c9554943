/**
 * For `POST /ingest`, where every series is stored and renewed on its own: one group for each label set.
 */
import { encodeLabels } from '../../../shared/model/labels.ts';
import { sortLabels } from '../../../shared/model/group-labels.ts';
import type { Families, Family, Labels } from '../../../shared/model/metric-family.ts';

export interface LabelSetGroup {
  /** Sorted by name; without `le` and `quantile`, which live inside a metric. */
  labels: Labels;
  /** Each with exactly one metric. */
  families: Families;
}

/**
 * The families, by the label sets of their series, in the order of their first mention. The order of labels makes no difference. When a
 * series is there twice, the last counts. Changes (sorts the labels of) the families it was given, and shares their metrics.
 */
export function splitByLabelSet(families: Families): Map<string, LabelSetGroup> {
  const groups = new Map<string, LabelSetGroup>();
  for (const family of sortLabels(families).values()) {
    for (const [index, metric] of family.metrics.entries()) {
      const key = encodeLabels(metric.labels);
      let group = groups.get(key);
      if (group === undefined) groups.set(key, (group = { labels: metric.labels, families: new Map() }));
      group.families.set(family.name, only(family, index));
    }
  }
  return groups;
}

/** The family with one of its metrics. */
function only(family: Family, index: number): Family {
  const one = { ...family };
  switch (one.type) {
    case 'summary':
      one.metrics = one.metrics.slice(index, index + 1);
      break;
    case 'histogram':
    case 'gauge_histogram':
      one.metrics = one.metrics.slice(index, index + 1);
      break;
    case 'counter':
    case 'gauge':
    case 'untyped':
      one.metrics = one.metrics.slice(index, index + 1);
      break;
  }
  return one;
}
