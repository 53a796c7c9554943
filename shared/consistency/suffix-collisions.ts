/**
 * Names that families take beside their own: a summary or a histogram `x` is exposed as `x_sum` and `x_count`, a
 * histogram as `x_bucket`, too. No other family may have such a name, or the exposition would have the same series
 * twice.
 * https://prometheus.io/docs/instrumenting/exposition_formats/#histograms-and-summaries
 */
import type { MetricType } from '../model/metric-family.ts';

type Suffix = '_count' | '_sum' | '_bucket';

const NONE: readonly Suffix[] = [];
const OF_SUMMARIES: readonly Suffix[] = ['_count', '_sum'];
const ALL: readonly Suffix[] = ['_count', '_sum', '_bucket'];

/** The suffixes that a family of this type takes. Each list begins with the shorter ones. */
export function suffixesOf(type: MetricType): readonly Suffix[] {
  switch (type) {
    case 'summary':
      return OF_SUMMARIES;
    case 'histogram':
    case 'gauge_histogram':
      return ALL;
    default:
      return NONE;
  }
}

/** Splits `x_sum` into `x` and `_sum`: the name is taken if the type of a family `x` takes the suffix. */
export function splitSuffix(name: string): { readonly base: string; readonly suffix: Suffix } | undefined {
  const suffix = ALL.find((one) => name.endsWith(one));
  if (suffix === undefined || suffix.length === name.length) return undefined;
  return { base: name.slice(0, -suffix.length), suffix };
}

/** All names that a family can collide with, depending on its type and the other one's; its own among them. */
export function collidingNames(name: string): string[] {
  return [splitSuffix(name)?.base ?? name, name, ...ALL.map((suffix) => name + suffix)];
}
