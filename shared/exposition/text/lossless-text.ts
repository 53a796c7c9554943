/** Whether a family can be kept as text alone, without losing anything. */
import type { Family, HistogramMetric, SimpleMetric, SummaryMetric } from '../../model/metric-family.ts';

export function isLosslessAsText(family: Family): boolean {
  if (family.unit !== undefined) return false;
  switch (family.type) {
    case 'counter':
    case 'gauge':
    case 'untyped':
      return family.metrics.every(isSimpleLossless);
    case 'summary':
      return family.metrics.every(isSummaryLossless);
    case 'histogram':
      return family.metrics.every(isHistogramLossless);
    case 'gauge_histogram':
      return false;
    default:
      family satisfies never;
      return false;
  }
}

/** The text format does not distinguish -0 from 0. */
function isMinusZero(value: number): boolean {
  return Object.is(value, -0);
}

function isSimpleLossless({ value, exemplar, created }: SimpleMetric): boolean {
  return exemplar === undefined && created === undefined && !isMinusZero(value);
}

function isSummaryLossless({ quantiles, sampleSum, created }: SummaryMetric): boolean {
  return created === undefined && !isMinusZero(sampleSum) && !quantiles.some(([, value]) => isMinusZero(value));
}

/** The text format adds a `+Inf` bucket if it is missing. */
function isHistogramLossless(metric: HistogramMetric): boolean {
  return (
    metric.native === undefined &&
    metric.created === undefined &&
    metric.floatCounts !== true &&
    metric.bucketExemplars === undefined &&
    !isMinusZero(metric.sampleSum) &&
    metric.buckets.some(([upperBound]) => upperBound === Infinity)
  );
}
