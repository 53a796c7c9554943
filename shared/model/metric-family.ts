/**
 * The data model of the exposition formats: what a text or a protobuf body says, and what both are rendered from.
 *
 * Plain data, nothing else: it crosses thread boundaries. Counts are JavaScript numbers: above 2^53 they round, exactly as
 * the text format (which has only floats) rounds them.
 * https://prometheus.io/docs/instrumenting/exposition_formats/
 * https://github.com/prometheus/client_model/blob/master/io/prometheus/client/metrics.proto
 */

/** `gauge_histogram` is a histogram whose buckets may go down; the text format shows it as a histogram. */
export const metricTypes = ['counter', 'gauge', 'untyped', 'summary', 'histogram', 'gauge_histogram'] as const;
export type MetricType = (typeof metricTypes)[number];

/** Name and value. In a family that has been grouped (see grouping/) a metric's labels are sorted by name. */
export type LabelPair = readonly [name: string, value: string];
export type Labels = readonly LabelPair[];

/** `google.protobuf.Timestamp`, only ever carried from a protobuf push to a protobuf scrape. */
export interface Timestamp {
  seconds: number;
  nanos: number;
}

export interface Exemplar {
  labels: Labels;
  value: number;
  timestamp?: Timestamp;
}

interface MetricBase {
  labels: Labels;
  /** Milliseconds since the epoch. A push that has one is refused; the parsers only report it. */
  timestampMs?: number;
}

/** One series of a counter, a gauge or an untyped family. */
export interface SimpleMetric extends MetricBase {
  value: number;
  /** Counters only; protobuf only. */
  exemplar?: Exemplar;
  /** Counters only; protobuf only. */
  created?: Timestamp;
}

export interface SummaryMetric extends MetricBase {
  /** `[quantile, value]` in the order of the input. */
  quantiles: (readonly [quantile: number, value: number])[];
  sampleCount: number;
  sampleSum: number;
  /** Protobuf only. */
  created?: Timestamp;
}

export interface HistogramMetric extends MetricBase {
  /** `[le, cumulative count]` in the order of the input; `+Inf` may be missing. */
  buckets: (readonly [upperBound: number, cumulativeCount: number])[];
  sampleCount: number;
  sampleSum: number;
  /** Protobuf only: the counts were given as floats although all are whole numbers. */
  floatCounts?: boolean;
  /** Protobuf only: by the index of its bucket. */
  bucketExemplars?: (readonly [bucketIndex: number, exemplar: Exemplar])[];
  /** Protobuf only. */
  created?: Timestamp;
  /** Protobuf only: the sparse buckets. A text scrape cannot show them. */
  native?: NativeBuckets;
}

/** A run of sparse buckets: `offset` from the end of the run before, `length` buckets. */
export type BucketSpan = readonly [offset: number, length: number];

/** The part of a histogram that only protobuf can say. https://prometheus.io/docs/specs/native_histograms/ */
export interface NativeBuckets {
  /** Left out when the input left it out, as each field of a proto2 message can be. */
  schema?: number;
  zeroThreshold?: number;
  /** A float histogram (see `floatCounts`) has its zero count as a float, too. */
  zeroCount?: number;
  negativeSpans: BucketSpan[];
  /** Differences from bucket to bucket: integer histograms. */
  negativeDeltas: number[];
  /** Absolute counts: float histograms. */
  negativeCounts: number[];
  positiveSpans: BucketSpan[];
  positiveDeltas: number[];
  positiveCounts: number[];
  exemplars: Exemplar[];
}

interface FamilyBase {
  name: string;
  /** Unescaped; empty when there was no HELP line. */
  help: string;
  /** Protobuf only. */
  unit?: string;
}

export interface SimpleFamily extends FamilyBase {
  type: 'counter' | 'gauge' | 'untyped';
  metrics: SimpleMetric[];
}

export interface SummaryFamily extends FamilyBase {
  type: 'summary';
  metrics: SummaryMetric[];
}

export interface HistogramFamily extends FamilyBase {
  type: 'histogram' | 'gauge_histogram';
  metrics: HistogramMetric[];
}

export type Family = SimpleFamily | SummaryFamily | HistogramFamily;
export type Metric = SimpleMetric | SummaryMetric | HistogramMetric;

/** The families of one body, in the order of their first mention. */
export type Families = Map<string, Family>;
