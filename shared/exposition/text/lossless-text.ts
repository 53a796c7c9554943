/** Whether a family loses something when it is only kept as text. */
import type { Family, HistogramMetric, SimpleMetric, SummaryMetric } from '../../model/metric-family.ts';

export function isLosslessAsText(family: Family): boolean {
  if (family.unit !== undefined) return false;
  switch (family.type) {
    case 'counter':
    case 'gauge':
    case 'untyped':
      return family.metrics.every(simpleSaysAll);
    case 'summary':
      return family.metrics.every(summarySaysAll);
    case 'histogram':
      return family.metrics.every(histogramSaysAll);
    case 'gauge_histogram':
      return false;
    default:
      family satisfies never;
      return false;
  }
}

/** Text writes both zeros as `0`. */
function isMinusZero(value: number): boolean {
  return value === 0 && 1 / value < 0;
}

function simpleSaysAll({ value, exemplar, created }: SimpleMetric): boolean {
  return exemplar === undefined && created === undefined && !isMinusZero(value);
}

function summarySaysAll({ quantiles, sampleSum, created }: SummaryMetric): boolean {
  return created === undefined && !isMinusZero(sampleSum) && !quantiles.some(([, value]) => isMinusZero(value));
}

/** Text adds a `+Inf` bucket where there is none. */
function histogramSaysAll(metric: HistogramMetric): boolean {
  return (
    metric.native === undefined &&
    metric.created === undefined &&
    metric.floatCounts !== true &&
    metric.bucketExemplars === undefined &&
    !isMinusZero(metric.sampleSum) &&
    metric.buckets.some(([upperBound]) => upperBound === Infinity)
  );
}
