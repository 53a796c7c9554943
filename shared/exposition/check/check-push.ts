/**
 * Consistency within one push, after its grouping labels are applied: what the official gateway finds when it gathers the push alone
 * (`checkWriteRequest` of its storage/diskmetricstore.go; `checkMetricConsistency` and `checkSuffixCollisions` of client_golang's registry).
 * The cost is that of the push. Clashes with other groups are the catalogue's to find.
 */
import { splitSuffix, suffixesOf } from '../../consistency/suffix-collisions.ts';
import { GatewayError } from '../../errors.ts';
import { encodeLabels } from '../../model/labels.ts';
import { nativeFault } from './check-native.ts';
import { formatFloat } from '../text/format-float.ts';
import { haveSameNames, sortedByName } from '../../model/labels.ts';
import type { Families, Family, HistogramMetric, Labels, Metric, MetricType } from '../../model/metric-family.ts';
import { quote, quoteLabels } from '../../model/quote.ts';

/** Throws `push_inconsistent` with the first fault found. */
export function checkPush(families: Families): void {
  for (const family of families.values()) {
    for (const metric of family.metrics) {
      if (metric.timestampMs !== undefined) refuse('pushed metrics must not have timestamps');
    }
  }
  const seen = new Map<string, MetricType>();
  for (const family of families.values()) {
    const clash = suffixClash(family.name, family.type, seen);
    if (clash !== undefined) refuse(clash);
    seen.set(family.name, family.type);
    checkSeries(family);
  }
}

/** Why this family cannot be exposed beside the `others`, whose types are given by name; undefined if it can. */
export function suffixClash(
  name: string,
  type: MetricType,
  others: Pick<Map<string, MetricType>, 'get'>,
): string | undefined {
  const { base = '', suffix } = splitSuffix(name) ?? {};
  const baseType = others.get(base);
  if (suffix !== undefined && baseType !== undefined && suffixesOf(baseType).includes(suffix)) {
    const kind = baseType === 'summary' ? 'summary' : 'histogram';
    return `collected metric named ${quote(name)} collides with previously collected ${kind} named ${quote(base)}`;
  }
  const taken = suffixesOf(type).find((one) => others.get(name + one) !== undefined);
  if (taken === undefined) return undefined;
  const kind = taken === '_bucket' ? 'histogram' : 'histogram or summary';
  return `collected ${kind} named ${quote(name)} collides with previously collected metric named ${quote(name + taken)}`;
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

function boundLabelOf(type: MetricType): string | undefined {
  if (type === 'summary') return 'quantile';
  return type === 'histogram' || type === 'gauge_histogram' ? 'le' : undefined;
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
    // The official gateway has this rule for summaries only, and shows an explicit `le` as a label that is there twice.
    if (name === boundLabel) refuse(`${describe(family, metric)} must not have an explicit ${quote(name)} label`);
    previous = name;
  }
}

function checkHistogram(family: Family, metric: HistogramMetric): void {
  checkBounds(family, metric, metric.buckets, 'buckets with the same upper bound');
  const fault = nativeFault(metric);
  if (fault !== undefined) refuse(`${describe(family, metric)} ${fault}`);
}

/** The official gateway would show such series twice. */
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

/** The label sets of one family. Most have the names, and some of the values, of the first: these make for shorter keys. */
class SeriesKeys {
  readonly #keys = new Set<string>();
  #first: Labels | undefined;

  /** False when these labels were there before. */
  add(labels: Labels): boolean {
    const sorted = sortedByName(labels);
    this.#first ??= sorted;
    const key = haveSameNames(sorted, this.#first) ? valuesKey(sorted, this.#first) : `=${encodeLabels(sorted)}`;
    if (this.#keys.has(key)) return false;
    this.#keys.add(key);
    return true;
  }
}

/** Unambiguous, as each value is either the first one's or has its length in front. */
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
