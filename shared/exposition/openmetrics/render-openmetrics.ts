/**
 * Writes the OpenMetrics text format 1.0.0, for scrapers that prefer it, if it is enabled.
 * https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md
 *
 *     exposition = { header { sample } } "# EOF" LF
 *     sample     = name [ labels ] SP value [ SP "#" SP labels SP value [ SP timestamp ] ] LF
 *
 * The family of a counter is named without `_total`, its samples with it, whatever was pushed. Float values are written
 * as floats (`1.0`), counts as integers.
 */
import { formatFloat } from '../text/format-float.ts';
import type { Exemplar, Family, HistogramMetric, Labels } from '../../model/metric-family.ts';
import type { MetricType, SummaryMetric } from '../../model/metric-family.ts';
import { isLegacyLabelName, isLegacyMetricName } from '../../model/names.ts';

export const OPENMETRICS_EOF = '# EOF\n';

const TYPES: Readonly<Record<MetricType, string>> = {
  counter: 'counter',
  gauge: 'gauge',
  untyped: 'unknown',
  summary: 'summary',
  histogram: 'histogram',
  gauge_histogram: 'gaugehistogram',
};

export function renderOpenMetricsHeader(name: string, help: string, type: MetricType): string {
  const shown = metricName(familyName(name, type));
  return `# TYPE ${shown} ${TYPES[type]}\n${help === '' ? '' : `# HELP ${shown} ${escape(help)}\n`}`;
}

export function renderOpenMetricsSamples(family: Family): string {
  const name = familyName(family.name, family.type);
  let out = '';
  switch (family.type) {
    case 'counter':
      for (const { labels, value, exemplar } of family.metrics) {
        out += `${series(`${name}_total`, labels)} ${float(value)}${exemplarText(exemplar)}\n`;
      }
      break;
    case 'gauge':
    case 'untyped':
      for (const { labels, value } of family.metrics) out += `${series(name, labels)} ${float(value)}\n`;
      break;
    case 'summary':
      for (const metric of family.metrics) out += summaryText(name, metric);
      break;
    case 'histogram':
      for (const metric of family.metrics) out += histogramText(name, metric, '_sum', '_count');
      break;
    case 'gauge_histogram':
      for (const metric of family.metrics) out += histogramText(name, metric, '_gsum', '_gcount');
      break;
    default:
      family satisfies never;
  }
  return out;
}

function familyName(name: string, type: MetricType): string {
  return type === 'counter' && name.endsWith('_total') ? name.slice(0, -'_total'.length) : name;
}

function summaryText(name: string, { labels, quantiles, sampleSum, sampleCount }: SummaryMetric): string {
  let out = '';
  for (const [quantile, value] of quantiles) {
    out += `${series(name, [...labels, ['quantile', float(quantile)]])} ${float(value)}\n`;
  }
  out += `${series(`${name}_sum`, labels)} ${float(sampleSum)}\n`;
  return `${out}${series(`${name}_count`, labels)} ${sampleCount}\n`;
}

function histogramText(name: string, metric: HistogramMetric, sum: string, count: string): string {
  const { labels, buckets, sampleSum, sampleCount } = metric;
  const exemplars = new Map(metric.bucketExemplars);
  let out = '';
  let infSeen = false;
  for (const [i, [upperBound, value]] of buckets.entries()) {
    infSeen ||= upperBound === Infinity;
    const bucket = series(`${name}_bucket`, [...labels, ['le', float(upperBound)]]);
    out += `${bucket} ${formatFloat(value)}${exemplarText(exemplars.get(i))}\n`;
  }
  if (!infSeen) out += `${series(`${name}_bucket`, [...labels, ['le', '+Inf']])} ${formatFloat(sampleCount)}\n`;
  out += `${series(name + sum, labels)} ${float(sampleSum)}\n`;
  return `${out}${series(name + count, labels)} ${formatFloat(sampleCount)}\n`;
}

function series(name: string, labels: Labels): string {
  const pairs = labelPairs(labels);
  if (isLegacyMetricName(name)) return pairs.length === 0 ? name : `${name}{${pairs.join(',')}}`;
  return `{${[metricName(name), ...pairs].join(',')}}`;
}

function exemplarText(exemplar: Exemplar | undefined): string {
  if (exemplar === undefined) return '';
  const { labels, value, timestamp } = exemplar;
  const at = timestamp === undefined ? '' : ` ${float(timestamp.seconds + timestamp.nanos / 1e9)}`;
  return ` # {${labelPairs(labels).join(',')}} ${float(value)}${at}`;
}

function float(value: number): string {
  const text = formatFloat(value);
  return /^-?\d+$/.test(text) ? `${text}.0` : text;
}

function metricName(name: string): string {
  return isLegacyMetricName(name) ? name : `"${escape(name)}"`;
}

function labelPairs(labels: Labels): string[] {
  return labels.map(([name, value]) => `${isLegacyLabelName(name) ? name : `"${escape(name)}"`}="${escape(value)}"`);
}

function escape(text: string): string {
  return text
    .replaceAll('\\', '\\\\')
    .replaceAll('\n', String.raw`\n`)
    .replaceAll('"', String.raw`\"`);
}
