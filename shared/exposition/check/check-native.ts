/**
 * What a native histogram must be for Prometheus to take it (`Validate` in its model/histogram). The official gateway does not look, and one
 * bad histogram then fails every scrape of it.
 * https://prometheus.io/docs/specs/native_histograms/
 */
import type { BucketSpan, HistogramMetric, NativeBuckets } from '../../model/metric-family.ts';

const MIN_SCHEMA = -4;
const MAX_SCHEMA = 8;

/** The reason why Prometheus would refuse it, or undefined. */
export function nativeFault(metric: HistogramMetric): string | undefined {
  const { native } = metric;
  if (native === undefined || !isNative(native)) return undefined;
  const { schema = 0, zeroCount = 0 } = native;
  if (schema < MIN_SCHEMA || schema > MAX_SCHEMA) return `has the unknown schema ${String(schema)}`;
  const isFloat = metric.floatCounts === true;
  const positive = sideFault(native.positiveSpans, isFloat ? native.positiveCounts : undeltaed(native.positiveDeltas));
  if (positive !== undefined) return `has positive buckets ${positive}`;
  const negative = sideFault(native.negativeSpans, isFloat ? native.negativeCounts : undeltaed(native.negativeDeltas));
  if (negative !== undefined) return `has negative buckets ${negative}`;
  if (zeroCount < 0 || metric.sampleCount < 0) return 'has a negative count';

  // Sums of floats are not exact, so only whole counts are compared.
  if (isFloat) return undefined;
  const inBuckets = total(undeltaed(native.positiveDeltas)) + total(undeltaed(native.negativeDeltas)) + zeroCount;
  // NaN is observed, but counted in no bucket.
  const isConsistent = Number.isNaN(metric.sampleSum)
    ? inBuckets <= metric.sampleCount
    : inBuckets === metric.sampleCount;
  if (isConsistent) return undefined;
  return `has ${String(inBuckets)} observations in its buckets, but a count of ${String(metric.sampleCount)}`;
}

/** As Prometheus tells it from a classic histogram. */
function isNative({ positiveSpans, negativeSpans, zeroThreshold = 0, zeroCount = 0 }: NativeBuckets): boolean {
  return positiveSpans.length > 0 || negativeSpans.length > 0 || zeroThreshold > 0 || zeroCount > 0;
}

function sideFault(spans: readonly BucketSpan[], counts: readonly number[]): string | undefined {
  let length = 0;
  for (const [index, [offset, buckets]] of spans.entries()) {
    if (index > 0 && offset < 0) return 'with a span that begins before the end of the one before it';
    length += buckets;
  }
  if (length !== counts.length) return `for which spans need ${String(length)}, and that are ${String(counts.length)}`;
  if (counts.some((count) => count < 0)) return 'with a negative count';
  return undefined;
}

/** Deltas to the bucket before, as counts. */
function undeltaed(deltas: readonly number[]): number[] {
  let count = 0;
  return deltas.map((delta) => (count += delta));
}

function total(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0);
}
