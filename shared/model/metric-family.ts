/**
 * The data model of the exposition formats: bodies are parsed into it, and scrapes are rendered from it.
 *
 * It is plain data, because it crosses thread boundaries. Counts are JavaScript numbers: above 2^53 they are rounded,
 * as in the text format, which has only floats.
 * https://prometheus.io/docs/instrumenting/exposition_formats/
 * https://github.com/prometheus/client_model/blob/master/io/prometheus/client/metrics.proto
 */

/** A `gauge_histogram` is a histogram whose buckets may decrease; the text format has it as a histogram. */
export const METRIC_TYPES = ['counter', 'gauge', 'untyped', 'summary', 'histogram', 'gauge_histogram'] as const;
export type MetricType = (typeof METRIC_TYPES)[number];

/** The label that distinguishes the sample lines of one metric. */
export function boundLabelOf(type: MetricType | undefined): 'quantile' | 'le' | undefined {
  if (type === 'summary') return 'quantile';
  return type === 'histogram' || type === 'gauge_histogram' ? 'le' : undefined;
}

export type LabelPair = readonly [name: string, value: string];
/** Once grouping labels are applied (group-labels.ts), the labels of a metric are sorted by name. */
export type Labels = readonly LabelPair[];

/** `google.protobuf.Timestamp`; only passed on from a protobuf push to a protobuf scrape. */
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
  /** Milliseconds since the epoch. The parsers accept it, but `checkPush` refuses it. */
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
  /** Protobuf only: the counts were given as floats, although all are integers. */
  floatCounts?: boolean;
  /** Protobuf only. */
  bucketExemplars?: (readonly [bucketIndex: number, exemplar: Exemplar])[];
  /** Protobuf only. */
  created?: Timestamp;
  /** Protobuf only. */
  native?: NativeBuckets;
}

/** Consecutive native buckets: `length` buckets, at a distance of `offset` from the span before. */
export type BucketSpan = readonly [offset: number, length: number];

/** The sparse buckets of a histogram. https://prometheus.io/docs/specs/native_histograms/ */
export interface NativeBuckets {
  /** This and the next two are missing if they were missing in the input, as fields of a proto2 message can be. */
  schema?: number;
  zeroThreshold?: number;
  zeroCount?: number;
  negativeSpans: BucketSpan[];
  /** Of integer histograms: differences between consecutive buckets. */
  negativeDeltas: number[];
  /** Of float histograms: absolute counts. */
  negativeCounts: number[];
  positiveSpans: BucketSpan[];
  positiveDeltas: number[];
  positiveCounts: number[];
  exemplars: Exemplar[];
}

interface FamilyBase {
  name: string;
  /** Unescaped; empty if there was no HELP line. */
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
