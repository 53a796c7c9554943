/** The JSON of /api/v1/groups, which the official gateway does not have. */
import { parseHolding } from '../snapshot/parse-holding.ts';
import type { Holding, SnapshotGroup } from '../snapshot/groups.ts';
import type { Snapshot } from '../snapshot/snapshot.ts';
import type { GroupIndex } from './group-index.ts';
import { countsOf, hasFailed, sortedHoldings } from './group-summary.ts';
import { parseGroupsQuery } from './groups-query.ts';
import { filterGroups, takePage } from './list-groups.ts';
import { histogramJson, metricsOf } from './metrics-json.ts';

/** The matching groups. Throws GatewayError `request_invalid`. */
export function groupsJson(index: GroupIndex, query: URLSearchParams): string {
  const { filter, withFamilies, limit, cursor } = parseGroupsQuery(query);
  const matching = filterGroups(index.groups(), filter);
  const page = takePage(matching, limit, cursor);
  const groups = page.groups.map((group) => {
    return withFamilies
      ? { ...groupFields(group), families: sortedHoldings(group).map(familyFields) }
      : groupFields(group);
  });
  const data = { groups, total: matching.length, next_cursor: page.nextCursor ?? null };
  return JSON.stringify({ status: 'success', data });
}

/** One group with its samples, all read at the same moment. */
export function groupJson(snapshot: Snapshot, group: SnapshotGroup): string {
  const families = sortedHoldings(group).map((holding) => {
    const family = parseHolding(snapshot, holding);
    // Unlike in /api/v1/metrics, gauge histograms have their buckets.
    const metrics = family.type === 'gauge_histogram' ? family.metrics.map(histogramJson) : metricsOf(family);
    return { ...familyFields(holding), metrics };
  });
  return JSON.stringify({ status: 'success', data: { ...groupFields(group), families } });
}

function groupFields(group: SnapshotGroup): Record<string, unknown> {
  const { kind, pushedMs, failedMs, untilMs } = group.record;
  const { families, series, keptOut } = countsOf(group);
  return {
    id: group.id,
    kind,
    labels: Object.fromEntries(group.labels),
    push_time_seconds: pushedMs / 1000,
    push_failure_time_seconds: failedMs / 1000,
    last_push_successful: !hasFailed(group),
    expires: timeOrNull(untilMs),
    family_count: families,
    series_count: series,
    kept_out_count: keptOut,
  };
}

function familyFields({ name, type, help, samples, deadlineMs, reason }: Holding): Record<string, unknown> {
  return {
    name,
    type: type.toUpperCase(),
    ...(help === '' ? {} : { help }),
    series: samples,
    expires: timeOrNull(deadlineMs),
    ...(reason === undefined ? {} : { kept_out: reason }),
  };
}

function timeOrNull(ms: number): string | null {
  return ms === 0 ? null : new Date(ms).toISOString();
}
