/**
 * The buckets of a native histogram as the query API writes them: `[boundaries, lower, upper, count]`, in ascending
 * order, without empty buckets. Boundaries: 0 = (], 1 = [), 2 = (), 3 = [].
 * https://prometheus.io/docs/specs/native_histograms/
 */
import { formatCount, formatFloat } from '../../../shared/exposition/text/format-float.ts';
import type { BucketSpan, HistogramMetric, NativeBuckets } from '../../../shared/model/metric-family.ts';

type JsonBucket = readonly [boundaries: number, lower: string, upper: string, count: string];

export function nativeBuckets(metric: HistogramMetric, native: NativeBuckets): JsonBucket[] {
  const isFloat = metric.floatCounts === true;
  const counts = (deltas: readonly number[], absolute: readonly number[]): readonly number[] =>
    isFloat ? absolute : runningSums(deltas);
  const schema = native.schema ?? 0;
  const show = (count: number): string => (isFloat ? formatFloat(count) : formatCount(count));
  const side = (spans: readonly BucketSpan[], ofBuckets: readonly number[], positive: boolean): JsonBucket[] =>
    indexed(spans, ofBuckets).map(([index, count]) => {
      const near = boundOf(index - 1, schema);
      const far = boundOf(index, schema);
      return positive
        ? [0, formatFloat(near), formatFloat(far), show(count)]
        : [1, formatFloat(-far), formatFloat(-near), show(count)];
    });
  const { zeroThreshold = 0, zeroCount = 0 } = native;
  const zero: JsonBucket[] =
    zeroCount === 0 ? [] : [[3, formatFloat(-zeroThreshold), formatFloat(zeroThreshold), show(zeroCount)]];
  return [
    ...side(native.negativeSpans, counts(native.negativeDeltas, native.negativeCounts), false).toReversed(),
    ...zero,
    ...side(native.positiveSpans, counts(native.positiveDeltas, native.positiveCounts), true),
  ];
}

function runningSums(deltas: readonly number[]): number[] {
  let sum = 0;
  return deltas.map((delta) => (sum += delta));
}

/** The non-empty buckets with their index. */
function indexed(spans: readonly BucketSpan[], counts: readonly number[]): [index: number, count: number][] {
  const found: [number, number][] = [];
  let index = 0;
  let at = 0;
  for (const [offset, length] of spans) {
    index += offset;
    for (let i = 0; i < length; i++, index++, at++) {
      const count = counts[at];
      // Spans may describe more buckets than there are counts.
      if (count === undefined) return found;
      if (count !== 0) found.push([index, count]);
    }
  }
  return found;
}

/** Upper bound of a bucket: 2^(index / 2^schema). 2^1024 becomes the largest float. */
function boundOf(index: number, schema: number): number {
  const perPowerOfTwo = 2 ** schema;
  const power = schema <= 0 ? index / perPowerOfTwo : Math.floor(index / perPowerOfTwo);
  const fraction = schema <= 0 ? 0 : index - power * perPowerOfTwo;
  if (power === 1024 && fraction === 0) return Number.MAX_VALUE;
  // In two factors, because 2^power alone may overflow or underflow.
  const half = Math.trunc(power / 2);
  return root(fraction, schema) * 2 ** half * 2 ** (power - half);
}

/**
 * Prometheus reads the bounds from a table (`exponentialBounds` in model/histogram/generic.go) whose values are mostly
 * a little low. One digit for each 256th of a power of two: its error in units in the last place, plus one.
 */
const TOO_LOW =
  '1111112111211111112311222222222211211121122211221122102211221122' +
  '1111112222332132112111211112111111121011213311221222112121332222' +
  '2121223322322122222222323233323311221121223321332233212232332232' +
  '2243223233433343333333444455435422322333324422333243223333543344';

/** Fractional bits of the fixed-point numbers. */
const PRECISION = 128n;
const roots = new Map<string, number>();

/** 2^(fraction / 2^schema) as in Prometheus's table. */
function root(fraction: number, schema: number): number {
  if (fraction === 0) return 1;
  const key = `${fraction}/${schema}`;
  let value = roots.get(key);
  if (value === undefined) {
    let fixed = 1n << (PRECISION + BigInt(fraction));
    for (let i = 0; i < schema; i++) fixed = integerRoot(fixed << PRECISION);
    const units = Number(TOO_LOW[fraction * 2 ** (8 - schema)] ?? 1) - 1;
    value = Number(fixed) / 2 ** Number(PRECISION) - units * Number.EPSILON;
    roots.set(key, value);
  }
  return value;
}

/** Largest integer whose square is at most `n`, by Newton's method. */
function integerRoot(n: bigint): bigint {
  let x = 1n << BigInt((n.toString(2).length + 1) >> 1);
  for (;;) {
    const next = (x + n / x) >> 1n;
    if (next >= x) return x;
    x = next;
  }
}
