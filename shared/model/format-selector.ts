/**
 * Labels as people read them: in errors, logs, telemetry and on the page. Written as in PromQL, so that they can be
 * copied into a query: values, and names that are not legacy-valid, are quoted as Go does it.
 * https://prometheus.io/docs/prometheus/latest/querying/basics/#string-literals
 */
import type { Labels } from './metric-family.ts';
import { isLegacyLabelName } from './names.ts';
import { escaped } from './quote.ts';

/** The PromQL selector that matches these labels: `{job="a", "my.label"="b"}`. */
export function formatSelector(labels: Labels): string {
  return `{${labels.map(([name, value]) => `${formatLabelName(name)}="${escaped(value)}"`).join(', ')}}`;
}

export function formatLabelName(name: string): string {
  return isLegacyLabelName(name) ? name : `"${escaped(name)}"`;
}
