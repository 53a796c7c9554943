/**
 * Series of `POST /ingest`, each of which is stored and renewed on its own: one group for each label set.
 */
import { encodeLabels } from '../../../shared/model/labels.ts';
import { sortLabels } from '../../../shared/model/group-labels.ts';
import type { Families, Family, Labels } from '../../../shared/model/metric-family.ts';

export interface LabelSetGroup {
  /** Sorted by name; without `le` and `quantile`, which are part of a metric. */
  labels: Labels;
  /** Each with exactly one metric. */
  families: Families;
}

/**
 * Groups by label set, in the order of their first mention. The order of labels makes no difference. If a series occurs
 * twice, the last one counts. Sorts the labels of `families` in place, and shares their metrics.
 */
export function splitByLabelSet(families: Families): Map<string, LabelSetGroup> {
  const groups = new Map<string, LabelSetGroup>();
  for (const family of sortLabels(families).values()) {
    for (const metric of family.metrics) {
      const key = encodeLabels(metric.labels);
      let group = groups.get(key);
      if (group === undefined) groups.set(key, (group = { labels: metric.labels, families: new Map() }));
      // The metric has the type of its family.
      group.families.set(family.name, { ...family, metrics: [metric] } as Family);
    }
  }
  return groups;
}
