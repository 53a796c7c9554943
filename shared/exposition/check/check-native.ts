/**
 * What Prometheus requires of a native histogram (`Validate` in its model/histogram). The official gateway does not
 * check it, and then one invalid histogram fails every scrape.
 * https://prometheus.io/docs/specs/native_histograms/
 */
import type { BucketSpan, HistogramMetric, NativeBuckets } from '../../model/metric-family.ts';

const MIN_SCHEMA = -4;
const MAX_SCHEMA = 8;

/** Why Prometheus would reject the histogram; undefined if it would not. */
export function nativeFault(metric: HistogramMetric): string | undefined {
  const { native } = metric;
  if (native === undefined || !isNative(native)) return undefined;
  const { schema = 0, zeroCount = 0 } = native;
  if (schema < MIN_SCHEMA || schema > MAX_SCHEMA)
    return `has schema ${schema}: expected ${MIN_SCHEMA} to ${MAX_SCHEMA}`;
  const isFloat = metric.floatCounts === true;
  const positive = isFloat ? native.positiveCounts : countsOf(native.positiveDeltas);
  const negative = isFloat ? native.negativeCounts : countsOf(native.negativeDeltas);
  const positiveFault = bucketsFault(native.positiveSpans, positive);
  if (positiveFault !== undefined) return `has invalid positive buckets: ${positiveFault}`;
  const negativeFault = bucketsFault(native.negativeSpans, negative);
  if (negativeFault !== undefined) return `has invalid negative buckets: ${negativeFault}`;
  if (zeroCount < 0 || metric.sampleCount < 0) return 'has a negative count';

  // Sums of floats are not exact, so only integer counts are compared.
  if (isFloat) return undefined;
  const inBuckets = [...positive, ...negative].reduce((sum, count) => sum + count, zeroCount);
  // Observations of NaN count as observations, but are in no bucket.
  const isConsistent = Number.isNaN(metric.sampleSum)
    ? inBuckets <= metric.sampleCount
    : inBuckets === metric.sampleCount;
  return isConsistent
    ? undefined
    : `has ${inBuckets} observations in its buckets, but a count of ${metric.sampleCount}`;
}

/** The condition by which Prometheus distinguishes a native histogram from a classic one. */
function isNative({ positiveSpans, negativeSpans, zeroThreshold = 0, zeroCount = 0 }: NativeBuckets): boolean {
  return positiveSpans.length > 0 || negativeSpans.length > 0 || zeroThreshold > 0 || zeroCount > 0;
}

function bucketsFault(spans: readonly BucketSpan[], counts: readonly number[]): string | undefined {
  if (spans.some(([offset], i) => i > 0 && offset < 0)) return 'a span begins before the end of the span before it';
  const described = spans.reduce((sum, [, length]) => sum + length, 0);
  if (described !== counts.length) return `spans describe ${described} buckets, but ${counts.length} are given`;
  return counts.some((count) => count < 0) ? 'a count is negative' : undefined;
}

/** From the differences between consecutive buckets. */
function countsOf(deltas: readonly number[]): number[] {
  let count = 0;
  return deltas.map((delta) => (count += delta));
}
