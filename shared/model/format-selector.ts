import type { Labels } from './metric-family.ts';

/** Labels as the PromQL selector that matches them: `{job="a", instance="b"}`. */
export function formatSelector(labels: Labels): string {
  return `{${labels.map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(', ')}}`;
}
