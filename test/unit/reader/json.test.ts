import { beforeEach, describe, expect, test } from 'vitest';
import type { Labels } from '../../../shared/model/metric-family.ts';
import { GroupIndex } from '../../../services/reader/query/group-index.ts';
import { groupJson, groupsJson } from '../../../services/reader/query/groups-json.ts';
import { takePage } from '../../../services/reader/query/list-groups.ts';
import { metricsJson } from '../../../services/reader/query/metrics-json.ts';
import type { SnapshotGroup } from '../../../services/reader/snapshot/groups.ts';
import { Snapshot } from '../../../services/reader/snapshot/snapshot.ts';
import { put, type GivenFamily } from '../../support/snapshots.ts';

/** As long as a text may be, with surrogate pairs and what JSON escapes. */
const LONG = '🚀"\\\n\u0001é'.repeat(9_000);
const MAX_PIECE_CHARS = 600_000;

let snapshot: Snapshot;

beforeEach(() => {
  snapshot = new Snapshot();
});

interface Listed {
  readonly groups: readonly { readonly labels: Record<string, string>; readonly families?: readonly unknown[] }[];
  readonly total: number;
  readonly next_cursor: string | null;
}

/** The parsed answer; each of its pieces is short. */
function read(pieces: Iterable<string>): { status: string; data: unknown } {
  const all = [...pieces];
  for (const piece of all) expect(piece.length).toBeLessThan(MAX_PIECE_CHARS);
  return JSON.parse(all.join('')) as { status: string; data: unknown };
}

async function list(limit: number, withFamilies = false, cursor?: string): Promise<Listed> {
  const all = await new GroupIndex(snapshot).groups();
  return read(groupsJson(snapshot, takePage(all, limit, cursor), all.length, withFamilies)).data as Listed;
}

const group = (id: string): SnapshotGroup => snapshot.get(id) as SnapshotGroup;
const gauge = (name: string, text: string, help = ''): GivenFamily => ({ name, type: 'gauge', help, text });
const job = (name: string): Labels => [['job', name]];

describe('an answer is made of short pieces', () => {
  test('also if help, name and labels are long', async () => {
    const labels: Labels = [
      ['job', 'j'],
      [LONG, LONG],
    ];
    const id = put(snapshot, { labels, families: [gauge(LONG, 'x 1\n', LONG)] });
    expect((await list(1, true)).groups[0]).toMatchObject({
      labels: Object.fromEntries(labels),
      families: [{ name: LONG, help: LONG }],
    });
    expect(read(groupJson(snapshot, group(id))).data).toMatchObject({
      id,
      labels: Object.fromEntries(labels),
      families: [{ name: LONG, help: LONG, type: 'GAUGE', series: 1, expires: null }],
    });
    // The labels of a group are also those of its push times, and a metric is one piece.
    snapshot.set(id, undefined, 0);
    put(snapshot, { labels: job('j'), families: [gauge(LONG, 'x 1\n', LONG)] });
    expect(read(metricsJson(snapshot)).data).toMatchObject([{ [LONG]: { help: LONG, type: 'GAUGE' } }]);
  });

  test('with any number of series', () => {
    const text = Array.from({ length: 20_000 }, (_, i) => `m{i="${i}",job="j"} ${i}\n`).join('');
    const id = put(snapshot, { labels: job('j'), families: [gauge('m', text)] });
    const metrics = Array.from({ length: 20_000 }, (_, i) => ({
      labels: { i: String(i), job: 'j' },
      value: String(i),
    }));
    expect(read(groupJson(snapshot, group(id))).data).toMatchObject({ families: [{ metrics }] });
    expect(read(metricsJson(snapshot)).data).toMatchObject([{ m: { metrics } }]);
  });

  test('an empty group, and no group', () => {
    const id = put(snapshot, { kind: 'ingest', labels: [] });
    expect(read(groupJson(snapshot, group(id))).data).toMatchObject({ labels: {}, families: [] });
    expect(read(metricsJson(snapshot))).toEqual({ status: 'success', data: [] });
  });

  test('a family without series', () => {
    const id = put(snapshot, { labels: job('j'), families: [gauge('m', '')] });
    expect(read(groupJson(snapshot, group(id))).data).toMatchObject({ families: [{ name: 'm', metrics: [] }] });
  });
});

test('a family with the name of a fixed key replaces it in /api/v1/metrics', () => {
  put(snapshot, {
    labels: job('j'),
    families: [gauge('labels', 'labels 1\n'), gauge('last_push_successful', 'last_push_successful 2\n')],
  });
  const text = [...metricsJson(snapshot)].join('');
  expect(text.match(/"last_push_successful":/g)).toHaveLength(1);
  expect(JSON.parse(text)).toMatchObject({
    data: [{ labels: { metrics: [{ value: '1' }] }, last_push_successful: { metrics: [{ value: '2' }] } }],
  });
});

test('a group is shown as it was when its answer began', () => {
  const families = (value: number): GivenFamily[] =>
    ['a', 'b'].map((name) => gauge(name, `${name}{job="j"} ${value}\n`));
  const id = put(snapshot, { labels: job('j'), families: families(1) });
  const pieces = groupJson(snapshot, group(id));
  put(snapshot, { labels: job('j'), pushedMs: 5_000, families: families(2) });
  snapshot.text.chunks();
  expect(JSON.parse([...pieces].join(''))).toMatchObject({
    data: {
      push_time_seconds: 0.001,
      families: [{ metrics: [{ value: '1' }] }, { metrics: [{ value: '1' }] }],
    },
  });
});

test('all families of a group with very many', () => {
  const names = Array.from({ length: 12_000 }, (_, i) => `f${i}`);
  const id = put(snapshot, { labels: job('j'), families: names.map((name) => gauge(name, `${name}{job="j"} 1\n`)) });
  const { families } = read(groupJson(snapshot, group(id))).data as { families: { name: string }[] };
  expect(families.map(({ name }) => name).toSorted()).toEqual(names.toSorted());
});

describe('a page of the list', () => {
  test('ends early when it has become long, and the next one continues', async () => {
    const families = Array.from({ length: 10 }, (_, i) => gauge(`m${i}`, `m${i} 1\n`, LONG));
    for (let i = 0; i < 40; i++) put(snapshot, { labels: job(`j${i}`), families });
    const seen: string[] = [];
    for (let cursor: string | undefined; ;) {
      const { groups, total, next_cursor: next } = await list(1_000, true, cursor);
      expect(total).toBe(40);
      expect(groups.length).toBeLessThan(20);
      seen.push(...groups.map(({ labels }) => labels['job'] ?? ''));
      if (next === null) break;
      cursor = next;
    }
    expect(seen).toHaveLength(40);
    expect(new Set(seen).size).toBe(40);
  });

  test('leaves out groups that are gone', async () => {
    put(snapshot, { labels: job('a') });
    const b = put(snapshot, { labels: job('b') });
    put(snapshot, { labels: job('c') });
    const all = await new GroupIndex(snapshot).groups();
    snapshot.set(b, undefined, 0);
    const page = read(groupsJson(snapshot, takePage(all, 2, undefined), all.length, false)).data as Listed;
    expect(page.groups.map(({ labels }) => labels['job'])).toEqual(['a']);
    expect(page.next_cursor).not.toBeNull();
  });
});
