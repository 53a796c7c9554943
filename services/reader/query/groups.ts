/**
 * What a page or a script needs to look at groups, none of it in the official API:
 *
 *     GET /api/v1/groups?match[]=SELECTOR&q=TEXT&failed=true&families=true&limit=100&cursor=CURSOR
 *     GET /api/v1/groups/ID
 *
 * Both are answered from the snapshot, whether Redis is there or not.
 */
import { asError, GatewayError } from '../../../shared/errors.ts';
import { quote } from '../../../shared/model/quote.ts';
import { parseHolding } from '../snapshot/parse-holding.ts';
import type { Holding, SnapshotGroup } from '../snapshot/groups.ts';
import type { Snapshot } from '../snapshot/snapshot.ts';
import { countsOf, holdingsOf } from './groups-summary.ts';
import { filterGroups, hasFailed, partOf, type GroupFilter } from './list-groups.ts';
import type { GroupIndex } from './list-groups-index.ts';
import { histogramJson, metricsOf } from './metrics.ts';
import { parseSelector } from './selector.ts';

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 1_000;
const MAX_SELECTORS = 20;

/** The JSON of the groups asked for. Throws GatewayError `request_invalid`. */
export function groupsJson(index: GroupIndex, query: URLSearchParams): string {
  const limit = limitIn(query);
  const filter = filterIn(query);
  const withFamilies = flagIn(query, 'families');
  const found = filterGroups(index.groups(), filter);
  const { groups, nextCursor } = partOf(found, limit, query.get('cursor') ?? undefined);
  const listed = groups.map((group) => {
    return withFamilies ? { ...about(group), families: holdingsOf(group).map(aboutFamily) } : about(group);
  });
  const data = { groups: listed, total: found.length, next_cursor: nextCursor ?? null };
  return JSON.stringify({ status: 'success', data });
}

/** One group with its samples, all of one moment. */
export function groupJson(snapshot: Snapshot, group: SnapshotGroup): string {
  const families = holdingsOf(group).map((holding) => {
    const family = parseHolding(snapshot, holding);
    // Here they are shown as what they are.
    const metrics = family.type === 'gauge_histogram' ? family.metrics.map(histogramJson) : metricsOf(family);
    return { ...aboutFamily(holding), metrics };
  });
  return JSON.stringify({ status: 'success', data: { ...about(group), families } });
}

function about(group: SnapshotGroup): Record<string, unknown> {
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

function aboutFamily({ name, type, help, samples, deadlineMs, reason }: Holding): Record<string, unknown> {
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

function filterIn(query: URLSearchParams): GroupFilter {
  const selectors = query.getAll('match[]');
  if (selectors.length > MAX_SELECTORS) {
    throw invalid(`cannot use ${selectors.length} match[]: expected no more than ${MAX_SELECTORS}`);
  }
  return { selectors: selectors.map(parseSelector), text: query.get('q') ?? '', failed: flagIn(query, 'failed') };
}

function limitIn(query: URLSearchParams): number {
  const text = query.get('limit');
  if (text === null) return DEFAULT_LIMIT;
  const limit = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > MAX_LIMIT) {
    throw invalid(`cannot use limit ${quote(text)}: expected a whole number from 1 to ${MAX_LIMIT}`);
  }
  return limit;
}

function flagIn(query: URLSearchParams, name: string): boolean {
  const text = query.get(name);
  if (text !== null && text !== 'true' && text !== 'false') {
    throw invalid(`cannot use ${name} ${quote(text)}: expected true or false`);
  }
  return text === 'true';
}

function invalid(message: string): GatewayError {
  return new GatewayError('request_invalid', message);
}

/** The message of an error that is the client's; others are thrown on. */
export function faultOfClient(thrown: unknown): string {
  if (thrown instanceof GatewayError && thrown.code === 'request_invalid') return thrown.message;
  throw asError(thrown);
}
