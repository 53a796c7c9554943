/** The JSON of /api/v1/groups, which the official gateway does not have. */
import type { Family } from '../../../shared/model/metric-family.ts';
import type { Holding, SnapshotGroup } from '../snapshot/groups.ts';
import type { Snapshot } from '../snapshot/snapshot.ts';
import { countsOf, hasFailed, sortedHoldings } from './group-summary.ts';
import { heldFamilies, metricsListJson, type HeldFamily } from './held-families.ts';
import { listJson, membersJson } from './json-pieces.ts';
import { cursorOf, type CursorPage } from './list-groups.ts';
import { histogramJson, metricsOf } from './metrics-json.ts';

/** Number of characters after which a page ends early, before its limit of groups. */
const MAX_PAGE_CHARS = 8 * 1024 * 1024;

/** A page of the list. `total`: the number of groups on all pages. */
export function* groupsJson(
  snapshot: Snapshot,
  page: CursorPage,
  total: number,
  withFamilies: boolean,
): Generator<string> {
  let next: string | undefined;
  let chars = 0;
  /** The groups that still exist, until the page is full. */
  const shown = function* (): Generator<SnapshotGroup> {
    for (const [i, one] of page.groups.entries()) {
      if (snapshot.get(one.group.id) === one.group) yield one.group;
      next = page.isLast && i === page.groups.length - 1 ? undefined : cursorOf(one);
      if (chars > MAX_PAGE_CHARS) return;
    }
  };
  yield '{"status":"success","data":{"groups":';
  for (const piece of listJson(shown(), (group) => groupItem(group, withFamilies))) {
    chars += piece.length;
    yield piece;
  }
  yield `,${membersJson({ total, next_cursor: next ?? null })}}}`;
}

function* groupItem(group: SnapshotGroup, withFamilies: boolean): Generator<string> {
  yield `{${membersJson(groupFields(group))}`;
  if (withFamilies) {
    yield ',"families":';
    yield* listJson(sortedHoldings(group), (holding) => [JSON.stringify(familyFields(holding))]);
  }
  yield '}';
}

/** One group with its samples, all read at the same moment (held-families.ts). */
export function groupJson(snapshot: Snapshot, group: SnapshotGroup): Iterable<string> {
  const fields = groupFields(group);
  const families = heldFamilies(snapshot, sortedHoldings(group));
  const pieces = function* (): Generator<string> {
    yield `{"status":"success","data":{${membersJson(fields)},"families":`;
    yield* listJson(families, function* (family: HeldFamily): Generator<string> {
      yield `{${membersJson(familyFields(family))},"metrics":`;
      yield* metricsListJson(family, allMetricsOf);
      yield '}';
    });
    yield '}}';
  };
  return pieces();
}

/** Unlike in /api/v1/metrics, gauge histograms have their buckets. */
function allMetricsOf(family: Family): Record<string, unknown>[] {
  return family.type === 'gauge_histogram' ? family.metrics.map(histogramJson) : metricsOf(family);
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

type FamilyFields = Pick<Holding, 'name' | 'type' | 'help' | 'samples' | 'deadlineMs' | 'reason'>;

function familyFields({ name, type, help, samples, deadlineMs, reason }: FamilyFields): Record<string, unknown> {
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
