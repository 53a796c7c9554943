/**
 * Checks that a push, with its grouping labels applied, does not contradict itself: what the official gateway finds
 * when it gathers the push alone (`checkWriteRequest` of its storage/diskmetricstore.go; `checkMetricConsistency` and
 * `checkSuffixCollisions` of client_golang's registry). It does not check the push against other groups.
 */
import { splitSuffix, suffixesOf } from '../../consistency/suffix-collisions.ts';
import { GatewayError } from '../../errors.ts';
import { encodeLabels, haveSameNames, sortedByName } from '../../model/labels.ts';
import { boundLabelOf, type Families, type Family, type HistogramMetric } from '../../model/metric-family.ts';
import type { Labels, Metric, MetricType } from '../../model/metric-family.ts';
import { quote, quoteLabels } from '../../model/quote.ts';
import { formatFloat } from '../text/format-float.ts';
import { nativeFault } from './check-native.ts';

/** Throws `push_inconsistent` with the first fault found. */
export function checkPush(families: Families): void {
  for (const family of families.values()) {
    for (const metric of family.metrics) {
      if (metric.timestampMs !== undefined) refuse('pushed metrics must not have timestamps');
    }
  }
  const seen = new Map<string, MetricType>();
  for (const family of families.values()) {
    checkSuffixes(family, seen);
    seen.set(family.name, family.type);
    checkSeries(family);
  }
}

/** `others`: the families before this one. */
function checkSuffixes({ name, type }: Family, others: ReadonlyMap<string, MetricType>): void {
  const { base = '', suffix } = splitSuffix(name) ?? {};
  const baseType = others.get(base);
  if (suffix !== undefined && baseType !== undefined && suffixesOf(baseType).includes(suffix)) {
    const kind = baseType === 'summary' ? 'summary' : 'histogram';
    refuse(`collected metric named ${quote(name)} collides with previously collected ${kind} named ${quote(base)}`);
  }
  const taken = suffixesOf(type).find((one) => others.has(name + one));
  if (taken === undefined) return;
  const kind = taken === '_bucket' ? 'histogram' : 'histogram or summary';
  const other = quote(name + taken);
  refuse(`collected ${kind} named ${quote(name)} collides with previously collected metric named ${other}`);
}

function checkSeries(family: Family): void {
  const boundLabel = boundLabelOf(family.type);
  const keys = new SeriesKeys();
  let checked: Labels | undefined;
  for (const metric of family.metrics) {
    if (checked === undefined || !haveSameNames(checked, metric.labels)) {
      checkNames(family, metric, boundLabel);
      checked = metric.labels;
    }
    if ('buckets' in metric) checkHistogram(family, metric);
    else if ('quantiles' in metric) checkBounds(family, metric, metric.quantiles, 'values for the same quantile');
    if (family.metrics.length > 1 && !keys.add(metric.labels)) {
      refuse(`${describe(family, metric)} was collected before with the same name and label values`);
    }
  }
}

function checkNames(family: Family, metric: Metric, boundLabel: string | undefined): void {
  let previous = '';
  for (const [name] of sortedByName(metric.labels)) {
    if (name === previous && name !== '') {
      refuse(`${describe(family, metric)} has two or more labels with the same name: ${name}`);
    }
    if (name === '' || name.startsWith('__')) {
      refuse(`${describe(family, metric)} has a label with an invalid name: ${name}`);
    }
    // The official gateway has this rule for summaries only, and exposes an explicit `le` as a second label of that
    // name.
    if (name === boundLabel) refuse(`${describe(family, metric)} must not have an explicit ${quote(name)} label`);
    previous = name;
  }
}

function checkHistogram(family: Family, metric: HistogramMetric): void {
  checkBounds(family, metric, metric.buckets, 'buckets with the same upper bound');
  const fault = nativeFault(metric);
  if (fault !== undefined) refuse(`${describe(family, metric)} ${fault}`);
}

/** The official gateway would expose such series twice. */
function checkBounds(
  family: Family,
  metric: Metric,
  bounds: readonly (readonly [number, number])[],
  what: string,
): void {
  if (bounds.length < 2) return;
  const seen = new Set<number>();
  for (const [bound] of bounds) {
    if (seen.has(bound)) refuse(`${describe(family, metric)} has two or more ${what}: ${formatFloat(bound)}`);
    seen.add(bound);
  }
}

/**
 * The label sets of one family. Most have the names and some values of the first one, which makes their keys shorter.
 */
class SeriesKeys {
  readonly #keys = new Set<string>();
  #first: Labels | undefined;

  /** False if the labels have been added before. */
  add(labels: Labels): boolean {
    const sorted = sortedByName(labels);
    this.#first ??= sorted;
    const key = haveSameNames(sorted, this.#first) ? valuesKey(sorted, this.#first) : `=${encodeLabels(sorted)}`;
    if (this.#keys.has(key)) return false;
    this.#keys.add(key);
    return true;
  }
}

/** Unambiguous, because each value is either that of `first` or preceded by its length. */
function valuesKey(labels: Labels, first: Labels): string {
  let key = '';
  for (let i = 0; i < labels.length; i++) {
    const value = labels[i]?.[1] ?? '';
    key += value === first[i]?.[1] ? '-' : `${String(value.length)}:${value}`;
  }
  return key;
}

function describe(family: Family, metric: Metric): string {
  const content = 'value' in metric ? `${family.type}:{value:${formatFloat(metric.value)}}` : `${family.type}:{…}`;
  return `collected metric ${quote(family.name)} { ${quoteLabels(metric.labels)}${content}}`;
}

function refuse(reason: string): never {
  throw new GatewayError('push_inconsistent', reason);
}
