/**
 * A family while its lines are being read. A summary or a histogram has many lines, which may come in any order; its
 * metric is found by its labels.
 */
import type { Family, HistogramMetric, Labels, MetricType } from '../../model/metric-family.ts';
import type { SimpleMetric, SummaryMetric } from '../../model/metric-family.ts';
import { toUint64 } from './parse-float.ts';
import type { PushLimits } from '../push-limits.ts';

/** What a line of a summary or a histogram holds, by the suffix of its name. */
export type Role = 'sample' | 'sum' | 'count';

export class FamilyDraft {
  readonly name: string;
  help: string | undefined;
  type: MetricType | undefined;
  readonly #limits: PushLimits;
  readonly #simple: SimpleMetric[] = [];
  // Created on demand, because most families need neither.
  #summaries: MetricsByLabels<SummaryMetric> | undefined;
  #histograms: MetricsByLabels<HistogramMetric> | undefined;

  /** `limits`: for all families of the body. */
  constructor(name: string, limits: PushLimits) {
    this.name = name;
    this.#limits = limits;
  }

  get isSummary(): boolean {
    return this.type === 'summary';
  }

  get isHistogram(): boolean {
    return this.type === 'histogram' || this.type === 'gauge_histogram';
  }

  addSimple(labels: Labels, value: number): SimpleMetric {
    this.#limits.addSeries();
    const metric = { labels, value };
    this.#simple.push(metric);
    return metric;
  }

  /** `bound`: the quantile, or NaN if the line has none; then the line counts only as a sum or a count. */
  addSummaryLine(labels: Labels, role: Role, bound: number, value: number): SummaryMetric {
    const summaries = (this.#summaries ??= new MetricsByLabels(this.#limits));
    const metric = summaries.find(labels) ?? summaries.add({ labels, quantiles: [], sampleCount: 0, sampleSum: 0 });
    if (role === 'count') metric.sampleCount = toUint64(value);
    else if (role === 'sum') metric.sampleSum = value;
    else if (!Number.isNaN(bound)) {
      this.#limits.addPart(metric.quantiles.length);
      metric.quantiles.push([bound, value]);
    }
    return metric;
  }

  /** `bound`: the upper bound of the bucket, or NaN. Returns an error text if the value cannot be a count. */
  addHistogramLine(labels: Labels, role: Role, bound: number, value: number): HistogramMetric | string {
    const histograms = (this.#histograms ??= new MetricsByLabels(this.#limits));
    const metric = histograms.find(labels) ?? histograms.add({ labels, buckets: [], sampleCount: 0, sampleSum: 0 });
    if (role === 'count') {
      if (value < 0) return 'negative count for histogram';
      // expfmt keeps integer and fractional counts apart, and prefers a fractional one, whichever came last.
      if (!isWhole(value) || isWhole(metric.sampleCount)) metric.sampleCount = value;
    } else if (role === 'sum') {
      metric.sampleSum = value;
    } else if (!Number.isNaN(bound)) {
      if (value < 0) return 'negative bucket population for histogram';
      this.#limits.addPart(metric.buckets.length);
      metric.buckets.push([bound, value]);
    }
    return metric;
  }

  /** Undefined for a family with HELP or TYPE lines only, which is dropped. */
  finish(): Family | undefined {
    const { name, type, help = '' } = this;
    let family: Family | undefined;
    if (type === 'summary') family = { name, help, type, metrics: this.#summaries?.all ?? [] };
    else if (type === 'histogram' || type === 'gauge_histogram')
      family = { name, help, type, metrics: this.#histograms?.all ?? [] };
    else if (type !== undefined) family = { name, help, type, metrics: this.#simple };
    return family?.metrics.length === 0 ? undefined : family;
  }
}

class MetricsByLabels<M extends { labels: Labels }> {
  readonly all: M[] = [];
  readonly #limits: PushLimits;
  /** Created for the second metric. */
  #byKey: Map<string, M> | undefined;
  #latest: M | undefined;

  constructor(limits: PushLimits) {
    this.#limits = limits;
  }

  /** Tries the metric of the line before first, because the lines of a metric usually follow each other. */
  find(labels: Labels): M | undefined {
    if (this.#latest === undefined || sameLabels(this.#latest.labels, labels)) return this.#latest;
    this.#byKey ??= new Map(this.all.map((metric) => [labelsKey(metric.labels), metric]));
    const found = this.#byKey.get(labelsKey(labels));
    if (found !== undefined) this.#latest = found;
    return found;
  }

  add(metric: M): M {
    this.#limits.addSeries();
    this.all.push(metric);
    this.#byKey?.set(labelsKey(metric.labels), metric);
    this.#latest = metric;
    return metric;
  }
}

/** Whether expfmt would keep the count as an integer. */
function isWhole(value: number): boolean {
  return Number.isInteger(value) && value < 2 ** 64;
}

function sameLabels(some: Labels, others: Labels): boolean {
  if (some === others) return true; // Lines that repeat labels share them.
  if (some.length !== others.length) return false;
  for (let i = 0; i < some.length; i++) {
    const a = some[i];
    const b = others[i];
    if (a?.[1] !== b?.[1] || a?.[0] !== b?.[0]) return false;
  }
  return true;
}

/** Equal for the same labels in any order. Different for others, because lengths separate names and values. */
function labelsKey(labels: Labels): string {
  if (labels.length === 0) return '';
  return labels
    .map(([name, value]) => `${String(name.length)}:${name}${String(value.length)}:${value}`)
    .toSorted()
    .join('');
}
