/**
 * The data model of the exposition formats: what a text or a protobuf body says, and what both are rendered from.
 *
 * Plain data, nothing else: it crosses thread boundaries.
 * https://prometheus.io/docs/instrumenting/exposition_formats/
 */

export type MetricType = 'counter' | 'gauge' | 'untyped' | 'summary' | 'histogram';

/** Name and value. In a family that has been grouped (see grouping/) a metric's labels are sorted by name. */
export type LabelPair = readonly [name: string, value: string];
export type Labels = readonly LabelPair[];

interface MetricBase {
  labels: Labels;
  /** Milliseconds since the epoch. A push that has one is refused; the parser only reports it. */
  timestampMs?: number;
}

/** One series of a counter, a gauge or an untyped family. */
export interface SimpleMetric extends MetricBase {
  value: number;
}

export interface SummaryMetric extends MetricBase {
  /** `[quantile, value]` in the order of the input. */
  quantiles: (readonly [quantile: number, value: number])[];
  sampleCount: number;
  sampleSum: number;
}

export interface HistogramMetric extends MetricBase {
  /** `[le, cumulative count]` in the order of the input; `+Inf` may be missing. */
  buckets: (readonly [upperBound: number, cumulativeCount: number])[];
  sampleCount: number;
  sampleSum: number;
}

interface FamilyBase {
  name: string;
  /** Unescaped; empty when there was no HELP line. */
  help: string;
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
  type: 'histogram';
  metrics: HistogramMetric[];
}

export type Family = SimpleFamily | SummaryFamily | HistogramFamily;

/** The families of one body, in the order of their first mention. */
export type Families = Map<string, Family>;
