import { beforeEach, describe, expect, test } from 'vitest';
import { decodeProtobuf, encodeFamily } from '../../../shared/exposition/protobuf/codec.ts';
import type { Family, Labels } from '../../../shared/model/metric-family.ts';
import { DerivedScrapes, type Pushed } from '../../../services/reader/scrape/derived-scrapes.ts';
import { renderScrape, type Rendering } from '../../../services/reader/scrape/render-scrape.ts';
import { Snapshot } from '../../../services/reader/snapshot/snapshot.ts';
import { put } from '../../support/snapshots.ts';

const WHOLE = { i: 0, n: 1 } as const;
const GROUPS = 30;
const TEXT: Rendering = { format: 'text', escaping: 'allow-utf-8', partition: WHOLE };

let snapshot: Snapshot;

const labelsOf = (i: number): Labels => [
  ['instance', String(i).padStart(3, '0')],
  ['job', 'j'],
];
const histogram = (i: number, value: number): Family => ({
  name: 'h',
  help: '',
  type: 'gauge_histogram',
  metrics: [{ labels: labelsOf(i), buckets: [[Infinity, value]], sampleCount: value, sampleSum: value }],
});

function fill(value: number, from = 0): void {
  for (let i = from; i < GROUPS; i++) {
    const series = `{instance="${String(i).padStart(3, '0')}",job="j"`;
    const h = `h_bucket${series},le="+Inf"} ${value}\nh_sum${series}} ${value}\nh_count${series}} ${value}\n`;
    put(snapshot, {
      labels: labelsOf(i),
      families: [
        { name: 'a', type: 'gauge', help: 'x\n\\y', text: `a${series}} ${value}\n` },
        { name: 'a.b', type: 'counter', text: `{"a.b",${series.slice(1)}} ${value}\n` },
        { name: 'h', type: 'gauge_histogram', text: h, exact: encodeFamily(histogram(i, value)) },
      ],
    });
  }
}

beforeEach(() => {
  snapshot = new Snapshot();
  fill(1);
});

const render = (rendering: Rendering): Buffer => Buffer.concat([...renderScrape(snapshot, rendering, new Set())]);
const kept = (): string => Buffer.concat(snapshot.text.chunks().buffers).toString();

test('text is served from the kept text', () => {
  expect(render(TEXT).toString()).toBe(kept());
});

test('partitions have each group once', () => {
  const lines = [0, 1, 2].flatMap((i) =>
    render({ ...TEXT, partition: { i, n: 3 } })
      .toString()
      .split('\n'),
  );
  const samples = (all: readonly string[]): string[] => all.filter((line) => /^[^#]/.test(line)).toSorted();
  expect(samples(lines)).toEqual(samples(kept().split('\n')));
});

test('protobuf contains gauge histograms, which the text cannot express', () => {
  const families = decodeProtobuf(render({ ...TEXT, format: 'protobuf' }), { utf8Names: true });
  expect([...families.keys()]).toEqual(['a', 'a.b', 'h', 'push_failure_time_seconds', 'push_time_seconds']);
  expect(families.get('a')).toMatchObject({ help: 'x\n\\y', type: 'gauge' });
  expect(families.get('a')?.metrics).toHaveLength(GROUPS);
  expect(families.get('h')).toEqual({
    ...histogram(0, 1),
    metrics: Array.from({ length: GROUPS }, (_, i) => histogram(i, 1).metrics[0]),
  });
});

test('a family whose escaped name is taken is left out', () => {
  put(snapshot, { labels: [['job', 'z']], families: [{ name: 'a_b', type: 'gauge', text: 'a_b{job="z"} 1\n' }] });
  const text = render({ ...TEXT, escaping: 'underscores' }).toString();
  expect(text.match(/^# TYPE a_b .*$/gm)).toEqual(['# TYPE a_b counter']);
  expect(text).not.toContain('a_b{job="z"}');
});

describe.for(['protobuf', 'openmetrics', 'text'] as const)('%s', (format) => {
  test('shows the state at its start, even if groups change between its steps', () => {
    const rendering: Rendering = { ...TEXT, format };
    const before = render(rendering);
    const steps = renderScrape(snapshot, rendering, new Set());
    const seen: Buffer[] = [];
    let step = 0;
    for (const buffer of steps) {
      seen.push(Buffer.from(buffer));
      if (step++ % 7 === 0) {
        fill(100 + step, step % GROUPS);
        snapshot.text.chunks();
      }
    }
    expect(step).toBeGreaterThan(2 * GROUPS);
    expect(Buffer.concat(seen).equals(before)).toBe(true);
  });

  test('is made in many small steps', () => {
    const text = Array.from({ length: 5_000 }, (_, i) => `m{i="${i}",job="big"} ${i}\n`).join('');
    put(snapshot, { labels: [['job', 'big']], families: [{ name: 'm', type: 'gauge', text }] });
    const buffers = [...renderScrape(snapshot, { ...TEXT, format }, new Set())];
    expect(Math.max(...buffers.map(({ length }) => length))).toBeLessThan(20_000);
  });
});

describe('renderings', () => {
  const text = (pushed: Pushed | undefined): string => Buffer.concat(pushed?.chunks.buffers ?? []).toString();

  test('identical requests share one rendering', async () => {
    const derived = new DerivedScrapes();
    const requests = ['a', 'a', 'b', 'c'].map(async (client) => await derived.render(client, snapshot, TEXT));
    const [first, ...others] = await Promise.all(requests);
    expect(text(first)).toBe(kept());
    for (const other of others) expect(other).toBe(first);
    fill(2);
    const second = await derived.render('a', snapshot, TEXT);
    expect(second?.version).toBe(snapshot.version);
    expect(text(second)).toBe(kept());
  });

  test('the number of different renderings in progress and waiting is limited', async () => {
    const derived = new DerivedScrapes();
    const requests = Array.from({ length: 1_000 }, async (_, i) => {
      return await derived.render(`client-${i}`, snapshot, { ...TEXT, partition: { i: 0, n: i + 2 } });
    });
    const made = (await Promise.all(requests)).filter((one) => one !== undefined);
    // Renderings in progress and waiting, and a few more that arrive when the first ones are complete.
    expect(made.length).toBeGreaterThanOrEqual(2 + 32);
    expect(made.length).toBeLessThan(50);
  });

  test('clients take turns', async () => {
    const derived = new DerivedScrapes();
    const order: string[] = [];
    const request = async (client: string, n: number): Promise<void> => {
      await derived.render(client, snapshot, { ...TEXT, partition: { i: 0, n } });
      order.push(client);
    };
    await Promise.all([...Array.from({ length: 20 }, async (_, i) => request('many', i + 2)), request('one', 99)]);
    expect(order.indexOf('one')).toBeLessThan(3);
  });
});
