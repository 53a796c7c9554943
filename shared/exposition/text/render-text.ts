/**
 * Writes the text exposition format 0.0.4 as expfmt.MetricFamilyToText does. Names that are not legacy names are
 * quoted, that of a metric inside the braces: `{"my.metric",a="b"} 1`. Label names with a colon are quoted, too; Go
 * does not quote them, and then no parser accepts the text.
 * https://prometheus.io/docs/instrumenting/exposition_formats/
 */
import { formatFloat } from './format-float.ts';
import { haveSameNames } from '../../model/labels.ts';
import type { Family, HistogramMetric, Labels, MetricType, SummaryMetric } from '../../model/metric-family.ts';
import { isLegacyLabelName, isLegacyMetricName } from '../../model/names.ts';

/** The HELP line, if there is a help, and the TYPE line. The text format has no gauge histograms. */
export function renderHeader(name: string, help: string, type: MetricType): string {
  const shown = isLegacyMetricName(name) ? name : quoted(name);
  const helpLine = help === '' ? '' : `# HELP ${shown} ${escapeDocstring(help)}\n`;
  return `${helpLine}# TYPE ${shown} ${type === 'gauge_histogram' ? 'histogram' : type}\n`;
}

/** Reads what `renderHeader` wrote for this name. A gauge histogram is read as a histogram. */
export function readHeader(name: string, header: string): { help: string; type: MetricType } {
  const shown = isLegacyMetricName(name) ? name : quoted(name);
  const help = header.slice(`# HELP ${shown} `.length, Math.max(0, header.lastIndexOf('\n# TYPE ')));
  return {
    help: help.replaceAll(/\\([\\n])/g, (_, char) => (char === 'n' ? '\n' : '\\')),
    type: header.slice(header.lastIndexOf(' ') + 1, -1) as MetricType,
  };
}

/** How the last sample line of each summary or histogram of this name begins. */
export function lastLineStart(name: string): string {
  return isLegacyMetricName(name) ? `${name}_count` : `{${quoted(`${name}_count`)}`;
}

/** One line for each sample, in the order given. Nothing is checked. */
export function renderSamples(family: Family): string {
  return renderSamplesUpTo(family, Infinity);
}

/** Stops after the sample that makes the text longer than `maxLength`. */
export function renderSamplesUpTo(family: Family, maxLength: number): string {
  let out = '';
  switch (family.type) {
    case 'counter':
    case 'gauge':
    case 'untyped': {
      const series = new SeriesWriter(family.name);
      for (const metric of family.metrics) {
        out += series.open(metric.labels) + series.close() + ending(metric.value, metric.timestampMs);
        if (out.length > maxLength) break;
      }
      break;
    }
    case 'summary': {
      const writers = new CompoundWriters(family.name, family.name);
      for (const metric of family.metrics) {
        out += renderSummary(writers, metric, maxLength);
        if (out.length > maxLength) break;
      }
      break;
    }
    case 'histogram':
    case 'gauge_histogram': {
      const writers = new CompoundWriters(family.name, `${family.name}_bucket`);
      for (const metric of family.metrics) {
        out += renderHistogram(writers, metric, maxLength);
        if (out.length > maxLength) break;
      }
      break;
    }
  }
  return out;
}

/** `{a="b",c="d"}`, as it follows the name of a metric; '' for no labels. */
export function renderLabels(labels: Labels): string {
  const series = new SeriesWriter('x');
  return (series.open(labels) + series.close()).slice(1);
}

/** For the series of a summary or a histogram. */
class CompoundWriters {
  readonly bound: SeriesWriter;
  readonly sum: SeriesWriter;
  readonly count: SeriesWriter;

  constructor(name: string, boundName: string) {
    this.bound = new SeriesWriter(boundName);
    this.sum = new SeriesWriter(`${name}_sum`);
    this.count = new SeriesWriter(`${name}_count`);
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

function renderSummary(writers: CompoundWriters, metric: SummaryMetric, maxLength: number): string {
  let out = '';
  if (metric.quantiles.length > 0) {
    const open = writers.bound.open(metric.labels);
    for (const [quantile, value] of metric.quantiles) {
      out += open + writers.bound.closeWith('quantile', quantile) + ending(value, metric.timestampMs);
      if (out.length > maxLength) return out;
    }
  }
  return out + writers.sumAndCount(metric);
}

function renderHistogram(writers: CompoundWriters, metric: HistogramMetric, maxLength: number): string {
  const open = writers.bound.open(metric.labels);
  let out = '';
  let infSeen = false;
  for (const [upperBound, count] of metric.buckets) {
    out += open + writers.bound.closeWith('le', upperBound) + ending(count, metric.timestampMs);
    if (out.length > maxLength) return out;
    infSeen ||= upperBound === Infinity;
  }
  // The only bucket that a text scrape shows of a native histogram.
  if (!infSeen) out += open + writers.bound.closeWith('le', Infinity) + ending(metric.sampleCount, metric.timestampMs);
  return out + writers.sumAndCount(metric);
}

/** Writes what precedes the value of a sample. `open` is followed by `close` or `closeWith` for the same labels. */
class SeriesWriter {
  readonly #legacy: boolean;
  readonly #name: string;
  /** Text before each label value of the latest series, which usually fits the next one: `a{b="`, `",c="` … */
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
