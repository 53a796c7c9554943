/**
 * The JSON of /api/v1/metrics, as the official gateway writes it: an array of groups, each with its families as sibling
 * keys of `labels` and `last_push_successful`. A family with one of these names replaces that key.
 */
import type { Family, HistogramMetric } from '../../../shared/model/metric-family.ts';
import { formatCount, formatFloat } from '../../../shared/exposition/text/format-float.ts';
import type { Snapshot, SnapshotGroup } from '../snapshot/snapshot.ts';
import { hasFailed } from './group-summary.ts';
import { heldFamilies, metricsListJson } from './held-families.ts';
import { listJson, membersJson } from './json-pieces.ts';
import { nativeBuckets } from './native-buckets.ts';

/** All groups; each is as it is when it is reached. */
export function* metricsJson(snapshot: Snapshot): Generator<string> {
  yield '{"status":"success","data":';
  yield* listJson(pushedGroups(snapshot), (group) => groupJson(snapshot, group));
  yield '}';
}

/** The official gateway has no /ingest, and so no groups for its series. */
function* pushedGroups(snapshot: Snapshot): Generator<SnapshotGroup> {
  for (const group of snapshot.groups()) if (group.record.kind === 'push') yield group;
}

function* groupJson(snapshot: Snapshot, group: SnapshotGroup): Generator<string> {
  const { holdings, labels, record } = group;
  const lastPushMs = Math.max(record.pushedMs, record.failedMs);
  const fields = {
    ...(holdings.has('labels') ? {} : { labels: Object.fromEntries(labels) }),
    ...(holdings.has('last_push_successful') ? {} : { last_push_successful: !hasFailed(group) }),
  };
  const families = heldFamilies(snapshot, snapshot.holdingsOf(group));
  let separator = '{';
  if (Object.keys(fields).length > 0) {
    yield separator + membersJson(fields);
    separator = ',';
  }
  for (const family of families) {
    const { name, type, help, arrivalMs } = family;
    const members = {
      time_stamp: new Date(arrivalMs === 0 ? lastPushMs : arrivalMs).toISOString(),
      type: type.toUpperCase(),
      ...(help === '' ? {} : { help }),
    };
    yield `${separator}${JSON.stringify(name)}:{${membersJson(members)},"metrics":`;
    yield* metricsListJson(family, metricsOf);
    yield '}';
    separator = ',';
  }
  yield '}';
}

export function metricsOf(family: Family): Record<string, unknown>[] {
  switch (family.type) {
    case 'counter':
    case 'gauge':
    case 'untyped':
      return family.metrics.map(({ labels, value }) => ({
        labels: Object.fromEntries(labels),
        value: formatFloat(value),
      }));
    case 'summary':
      return family.metrics.map(({ labels, quantiles, sampleCount, sampleSum }) => ({
        labels: Object.fromEntries(labels),
        quantiles: Object.fromEntries(quantiles.map(([q, value]) => [formatFloat(q), formatFloat(value)])),
        count: formatCount(sampleCount),
        sum: formatFloat(sampleSum),
      }));
    case 'histogram':
      return family.metrics.map(histogramJson);
    case 'gauge_histogram':
      // The official API does not support the type: it writes the value of a gauge, which is unset.
      return family.metrics.map(({ labels }) => ({ labels: Object.fromEntries(labels), value: '0' }));
    default:
      family satisfies never;
      return [];
  }
}

export function histogramJson(metric: HistogramMetric): Record<string, unknown> {
  const { labels, buckets, sampleCount, sampleSum, native } = metric;
  const common = { labels: Object.fromEntries(labels), sum: formatFloat(sampleSum) };
  // If any count is not a uint64, all are stored as floats. The official gateway writes a float only if it is above 0,
  // else the integer count beside it, which is then 0.
  const counts = [sampleCount, ...buckets.map(([, value]) => value)];
  const isFloat = metric.floatCounts === true || !counts.every((value) => Number.isInteger(value) && value < 2 ** 64);
  const count = (value: number): string => {
    if (!isFloat) return formatCount(value);
    return value > 0 ? formatFloat(value) : '0';
  };
  if (native !== undefined && native.negativeSpans.length + native.positiveSpans.length > 0) {
    return { ...common, count: count(sampleCount), buckets: nativeBuckets(metric, native) };
  }
  return {
    ...common,
    buckets: Object.fromEntries(buckets.map(([le, value]) => [formatFloat(le), count(value)])),
    count: count(sampleCount),
  };
}
