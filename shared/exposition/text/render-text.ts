/**
 * The text exposition format 0.0.4 as expfmt.MetricFamilyToText writes it. Names that are not legacy-valid are quoted, a metric's inside
 * the braces: `{"my.metric",a="b"} 1`. So are labels with a colon, which Go leaves as they are, and no parser reads.
 * https://prometheus.io/docs/instrumenting/exposition_formats/
 */
import { formatFloat } from './format-float.ts';
import { haveSameNames } from '../../model/labels.ts';
import type { Family, HistogramMetric, Labels, MetricType, SummaryMetric } from '../../model/metric-family.ts';
import { isLegacyLabelName, isLegacyMetricName } from '../../model/names.ts';

/** The HELP line, unless there is none, and the TYPE line. The classic text format has no gauge histograms. */
export function renderHeader(name: string, help: string, type: MetricType): string {
  const shown = isLegacyMetricName(name) ? name : quoted(name);
  const helpLine = help === '' ? '' : `# HELP ${shown} ${escapeDocstring(help)}\n`;
  return `${helpLine}# TYPE ${shown} ${type === 'gauge_histogram' ? 'histogram' : type}\n`;
}

/** One line for each sample, in the order given. Nothing is checked: what is invalid, or there twice, is so in the text. */
export function renderSamples(family: Family): string {
  let out = '';
  switch (family.type) {
    case 'counter':
    case 'gauge':
    case 'untyped': {
      const series = new Series(family.name);
      for (const metric of family.metrics) {
        out += series.open(metric.labels) + series.close() + ending(metric.value, metric.timestampMs);
      }
      break;
    }
    case 'summary': {
      const parts = new Parts(family.name, family.name);
      for (const metric of family.metrics) out += renderSummary(parts, metric);
      break;
    }
    case 'histogram':
    case 'gauge_histogram': {
      const parts = new Parts(family.name, `${family.name}_bucket`);
      for (const metric of family.metrics) out += renderHistogram(parts, metric);
      break;
    }
  }
  return out;
}

/** `{a="b",c="d"}`, as it stands behind a metric's name; '' for no labels. */
export function renderLabels(labels: Labels): string {
  const series = new Series('x');
  return (series.open(labels) + series.close()).slice(1);
}

/** The series a summary or a histogram is written as. */
class Parts {
  readonly bound: Series;
  readonly sum: Series;
  readonly count: Series;

  constructor(name: string, boundName: string) {
    this.bound = new Series(boundName);
    this.sum = new Series(`${name}_sum`);
    this.count = new Series(`${name}_count`);
  }

  sumAndCount(metric: SummaryMetric | HistogramMetric): string {
    const { labels, timestampMs } = metric;
    return (
      this.sum.open(labels) +
      this.sum.close() +
      ending(metric.sampleSum, timestampMs) +
      this.count.open(labels) +
      this.count.close() +
      ending(metric.sampleCount, timestampMs)
    );
  }
}

function renderSummary(parts: Parts, metric: SummaryMetric): string {
  let out = '';
  if (metric.quantiles.length > 0) {
    const open = parts.bound.open(metric.labels);
    for (const [quantile, value] of metric.quantiles) {
      out += open + parts.bound.closeWith('quantile', quantile) + ending(value, metric.timestampMs);
    }
  }
  return out + parts.sumAndCount(metric);
}

function renderHistogram(parts: Parts, metric: HistogramMetric): string {
  const open = parts.bound.open(metric.labels);
  let out = '';
  let infSeen = false;
  for (const [upperBound, count] of metric.buckets) {
    out += open + parts.bound.closeWith('le', upperBound) + ending(count, metric.timestampMs);
    infSeen ||= upperBound === Infinity;
  }
  // Of a native histogram this is all a text scrape shows.
  if (!infSeen) out += open + parts.bound.closeWith('le', Infinity) + ending(metric.sampleCount, metric.timestampMs);
  return out + parts.sumAndCount(metric);
}

/** A series name, written before or inside the braces. `open`, then `close` or `closeWith` for the same labels. */
class Series {
  readonly #legacy: boolean;
  readonly #name: string;
  /** What is written before the value of each label of the latest series, and so usually of the next: `a{b="`, `",c="` … */
  #prefixes: string[] = [];
  #prefixesOf: Labels = [];
  #anyLabels = false;

  constructor(name: string) {
    this.#legacy = isLegacyMetricName(name);
    this.#name = this.#legacy ? name : `{${quoted(name)}`;
  }

  open(labels: Labels): string {
    this.#anyLabels = labels.length > 0;
    if (!this.#anyLabels) return this.#name;
    if (!haveSameNames(labels, this.#prefixesOf)) this.#prepare(labels);
    let out = '';
    for (let i = 0; i < labels.length; i++)
      out += `${this.#prefixes[i] ?? ''}${escapeLabelValue(labels[i]?.[1] ?? '')}`;
    return out;
  }

  #prepare(labels: Labels): void {
    let before = this.#name + (this.#legacy ? '{' : ',');
    this.#prefixes = labels.map(([name]) => {
      // By the rule for metrics (a colon needs no quotes), as expfmt does it.
      const prefix = `${before}${isLegacyLabelName(name) ? name : quoted(name)}="`;
      before = '",';
      return prefix;
    });
    this.#prefixesOf = labels;
  }

  close(): string {
    if (this.#anyLabels) return '"}';
    return this.#legacy ? '' : '}';
  }

  closeWith(label: string, bound: number): string {
    const before = this.#anyLabels ? '",' : this.#legacy ? '{' : ',';
    return `${before}${label}="${sampleValue(bound)}"}`;
  }
}

function ending(value: number, timestampMs: number | undefined): string {
  return timestampMs === undefined ? ` ${sampleValue(value)}\n` : ` ${sampleValue(value)} ${String(timestampMs)}\n`;
}

/** expfmt writes both zeros as `0`. */
function sampleValue(value: number): string {
  return value === 0 ? '0' : formatFloat(value);
}

function quoted(name: string): string {
  return `"${escapeLabelValue(name)}"`;
}

function escapeLabelValue(value: string): string {
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i);
    if (code === 0x5c || code === 0x22 || code === 0x0a) return escapeDocstring(value).replaceAll('"', '\\"');
  }
  return value;
}

function escapeDocstring(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', String.raw`\n`);
}
