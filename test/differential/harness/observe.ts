/**
 * The visible state of a gateway, in a form in which two gateways can be compared: the sample and comment
 * lines of /metrics, and the groups of /api/v1/metrics. Current times are replaced by `now`.
 */
import type { Agent } from 'node:http';
import { request, type Answer } from '../../support/http/request.ts';
import { decodeFamilies, type Message } from './protobuf.ts';

export interface Observation {
  /** Sorted lines, without self-metrics. */
  readonly metrics: readonly string[];
  /** Sorted. */
  readonly groups: readonly Group[];
  /** Faults of /metrics itself. */
  readonly faults: readonly string[];
}

export type Group = Readonly<Record<string, unknown>>;

interface ApiFamily {
  readonly time_stamp: string;
  readonly type: string;
  readonly help?: string;
  readonly metrics: readonly Readonly<Record<string, unknown>>[];
}

/** The official gateway serves its self-metrics in the same exposition as pushed metrics. */
const OWN = /^(?:go|process|promhttp|pushgateway|net_conntrack)_/;
const PUSH_TIME = /^(push_(?:failure_)?time_seconds)(\{.*\})? (\S+)$/s;
const RECENT_SECONDS = 120;
/** 2^64 - 1 */
const WRAPPED = '18446744073709551615';

export async function observe(url: string, agent?: Agent): Promise<Observation> {
  const { pathname } = new URL(url);
  const prefix = pathname === '/' ? '' : pathname;
  const get = async (path: string): Promise<Answer> =>
    await request(url, prefix + path, agent === undefined ? {} : { agent });
  const [scraped, api] = await Promise.all([get('/metrics'), get('/api/v1/metrics')]);
  const faults = scraped.status === 200 ? expositionFaults(scraped.text) : [`/metrics answers ${scraped.status}`];
  if (api.status !== 200) faults.push(`/api/v1/metrics answers ${api.status}`);
  const groups = api.status === 200 ? groupsOf(api.text) : [];
  return { metrics: metricsLines(scraped.text, helpsOf(groups), faults), groups: groups.map(comparable), faults };
}

function groupsOf(text: string): Group[] {
  const { status, data } = JSON.parse(text) as { status: string; data: Group[] };
  if (status !== 'success') throw new Error(`/api/v1/metrics says ${status}`);
  return data;
}

/** Family name → its help in each group. */
function helpsOf(groups: readonly Group[]): Map<string, Set<string>> {
  const helps = new Map<string, Set<string>>();
  for (const group of groups) {
    for (const [name, family] of familiesOf(group)) {
      if (family.metrics.length === 0) continue;
      helps.set(name, (helps.get(name) ?? new Set()).add(family.help ?? ''));
    }
  }
  return helps;
}

function familiesOf(group: Group): [string, ApiFamily][] {
  return Object.entries(group).filter((entry): entry is [string, ApiFamily] => {
    const [, value] = entry;
    return typeof value === 'object' && value !== null && 'metrics' in value;
  });
}

function metricsLines(text: string, helps: ReadonlyMap<string, ReadonlySet<string>>, faults: string[]): string[] {
  const lines: string[] = [];
  // Only at \n: a label value may hold any other character.
  for (const line of text.split('\n').slice(0, -1)) {
    const comment = /^# (HELP|TYPE) (\S+) ?(.*)$/s.exec(line);
    const name = comment?.[2] ?? line;
    if (OWN.test(name)) continue;
    const known = helps.get(name);
    if (comment?.[1] === 'HELP' && known !== undefined && known.size > 1) {
      // If help texts of groups differ, one is shown; the official gateway chooses any.
      if (!Array.from(known, escapeHelp).includes(comment[3] ?? '')) faults.push(`help of no group: ${line}`);
      continue;
    }
    const time = PUSH_TIME.exec(line);
    lines.push(time === null ? line : `${time[1] ?? ''}${time[2] ?? ''} ${shownTime(Number(time[3]))}`);
  }
  return lines.toSorted();
}

function escapeHelp(help: string): string {
  return help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}

function shownTime(seconds: number): string {
  return Math.abs(Date.now() / 1000 - seconds) < RECENT_SECONDS ? 'now' : String(seconds);
}

function comparable(group: Group): Group {
  const entries = Object.entries(group).map(([name, value]): [string, unknown] => {
    if (typeof value !== 'object' || value === null || !('metrics' in value)) return [name, value];
    const { time_stamp: time, type, help, metrics } = value as ApiFamily;
    const isTime = /^push_(?:failure_)?time_seconds$/.test(name);
    const shown = metrics.map((metric) => {
      if (isTime) return { ...metric, value: shownTime(Number(metric['value'])) };
      // A negative count that wrapped around, which no float represents exactly; /metrics shows it as a float.
      return metric['count'] === WRAPPED ? { ...metric, count: '9223372036854775808' } : metric;
    });
    return [name, { time: shownTime(Date.parse(time) / 1000), type, help, metrics: shown.toSorted(byJson) }];
  });
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function byJson(a: unknown, b: unknown): number {
  return canonical(a) < canonical(b) ? -1 : 1;
}

/** JSON with sorted keys. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

const SERIES = /^((?:[a-zA-Z_:][\w:]*(?:\{.*\})?)|\{.*\}) (?:[-+]?\d[\d.e+-]*|[+-]Inf|NaN)$/s;
const PARTS: Readonly<Record<string, readonly string[]>> = {
  histogram: ['_bucket', '_sum', '_count'],
  summary: ['', '_sum', '_count'],
};

/** Rules of Prometheus and promtool: one TYPE for each family, its samples together, no duplicate series. */
export function expositionFaults(text: string): string[] {
  const faults: string[] = [];
  if (text !== '' && !text.endsWith('\n')) faults.push('the last line has no end');
  const types = new Map<string, string>();
  const series = new Set<string>();
  let family = '';
  for (const line of text.split('\n').slice(0, -1)) {
    const comment = /^# (HELP|TYPE) ("(?:[^"\\]|\\.)*"|\S+)(?: (.*))?$/s.exec(line);
    if (comment !== null) {
      const [, keyword, name = '', rest = ''] = comment;
      if (keyword === 'TYPE') {
        if (types.has(name)) faults.push(`second TYPE: ${line}`);
        types.set(name, rest);
        family = name;
      }
      continue;
    }
    const match = SERIES.exec(line);
    if (match === null) {
      faults.push(`no sample: ${line}`);
      continue;
    }
    const [, one = ''] = match;
    if (series.has(one)) faults.push(`a series twice: ${line}`);
    series.add(one);
    const name = /^(?:\{("(?:[^"\\]|\\.)*")|([^{ ]+))/.exec(one);
    const suffixes = PARTS[types.get(family) ?? ''] ?? [''];
    const bare = family.startsWith('"') ? family.slice(0, -1) : family;
    const close = family.startsWith('"') ? '"' : '';
    if (!suffixes.some((suffix) => bare + suffix + close === (name?.[1] ?? name?.[2]))) {
      faults.push(`a sample outside its family ${family}: ${line}`);
    }
  }
  return faults;
}

/** The difference between the two, or undefined. */
export function stateDifference(ours: Observation, official: Observation): string | undefined {
  const found: string[] = ours.faults.map((fault) => `ours: ${fault}`);
  found.push(...official.faults.map((fault) => `official: ${fault}`));
  found.push(...listDifference('/metrics', ours.metrics, official.metrics));
  found.push(
    ...listDifference(
      '/api/v1/metrics',
      ours.groups.map(canonical).toSorted(),
      official.groups.map(canonical).toSorted(),
    ),
  );
  return found.length === 0 ? undefined : found.join('\n');
}

export function listDifference(what: string, ours: readonly string[], official: readonly string[]): string[] {
  return [
    ...without(ours, official).map((line) => `${what}: only ours: ${line}`),
    ...without(official, ours).map((line) => `${what}: only official: ${line}`),
  ];
}

/** Each element as often as it occurs more often in the first list. */
function without(lines: readonly string[], others: readonly string[]): string[] {
  const left = new Map<string, number>();
  for (const line of others) left.set(line, (left.get(line) ?? 0) + 1);
  return lines.filter((line) => {
    const count = left.get(line) ?? 0;
    left.set(line, count - 1);
    return count <= 0;
  });
}

const DELIMITED = 'application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited';

/** The families of a protobuf scrape as JSON, without self-metrics. */
export async function observeProtobuf(url: string, agent?: Agent): Promise<string[]> {
  const options = { headers: { accept: DELIMITED }, ...(agent === undefined ? {} : { agent }) };
  const { status, body } = await request(url, '/metrics', options);
  if (status !== 200) return [`/metrics answers ${status}`];
  return decodeFamilies(body)
    .filter((family) => !OWN.test(nameOf(family)))
    .map((family) => {
      const metrics = (family['metric'] ?? []) as readonly Message[];
      const isTime = /^push_(?:failure_)?time_seconds$/.test(nameOf(family));
      const shown = isTime ? metrics.map((metric) => ({ ...metric, gauge: timeOf(metric) })) : metrics;
      return canonical({
        name: family['name'],
        help: family['help'],
        type: family['type'] ?? ['0'],
        metric: shown.map(withoutDefaults).toSorted(byJson),
      });
    })
    .toSorted();
}

function nameOf(family: Message): string {
  const [name = ''] = (family['name'] ?? []) as readonly string[];
  return name;
}

/** Absent means the same. */
function withoutDefaults(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutDefaults);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([name, inner]): [string, unknown] => [name, withoutDefaults(inner)]);
  return Object.fromEntries(
    entries.filter(
      ([, inner]) => !(Array.isArray(inner) && inner.length === 1 && [0, '0', ''].includes(inner[0] as string)),
    ),
  );
}

function timeOf(metric: Message): string {
  const [gauge] = (metric['gauge'] ?? []) as readonly Message[];
  return shownTime(Number(gauge?.['value']));
}
