import { describe, expect, test } from 'vitest';
import { preparePush, type PrepareOptions } from '../../../services/ingest/prepare/prepare-push.ts';
import { labelSetsOf } from '../../../shared/exposition/check/label-sets.ts';
import type { Family, Labels, NativeBuckets } from '../../../shared/model/metric-family.ts';
import { decodeProtobuf, encodeFamily } from '../../../shared/exposition/protobuf/codec.ts';
import { makeGroup } from '../../../shared/model/group.ts';

const GROUPING: Labels = [
  ['job', 'J'],
  ['zone', 'Z'],
];
const GROUP = makeGroup('push', GROUPING);
const PUSH: PrepareOptions = { format: 'text', group: GROUP, maxSeries: 0, maxFamilies: 0 };
const INGEST: PrepareOptions = { ...PUSH, group: undefined };

const prepare = (body: string, options: PrepareOptions = PUSH) => preparePush(Buffer.from(body), options);

describe('a push to a group', () => {
  test('has the group of its path, and the families as they are served', () => {
    const body = [
      '# HELP a what \\\\ it is\\nindeed',
      '# TYPE a gauge',
      'a{z="1",job="x"} 1e6',
      'a{b="\\"2\\""} NaN',
      'b 2',
      '# TYPE h histogram',
      'h_bucket{le="1"} 1',
      'h_bucket{le="+Inf"} 2',
      'h_sum 3',
      'h_count 2',
      '',
    ].join('\n');
    const own = 'instance="",job="J",zone="Z"';
    const [group, ...others] = prepare(body);
    expect(others).toEqual([]);
    expect(group).toMatchObject({ groupId: GROUP.id, labels: GROUPING });
    expect(group?.families.map(({ name, content }) => ({ name, ...content }))).toEqual([
      {
        name: 'a',
        type: 'gauge',
        help: 'what \\ it is\nindeed',
        samples: 2,
        text: `a{instance="",job="J",z="1",zone="Z"} 1e+06\na{b="\\"2\\"",${own}} NaN\n`,
      },
      { name: 'b', type: 'untyped', help: '', samples: 1, text: `b{${own}} 2\n` },
      {
        name: 'h',
        type: 'histogram',
        help: '',
        samples: 4,
        text: `h_bucket{${own},le="1"} 1\nh_bucket{${own},le="+Inf"} 2\nh_sum{${own}} 3\nh_count{${own}} 2\n`,
      },
    ]);
  });

  test('an empty body is a push without families', () => {
    expect(prepare('')).toEqual([{ groupId: GROUP.id, labels: GROUPING, families: [] }]);
  });

  test('the label sets are those of the text', () => {
    const [group] = prepare(
      'a{x="1"} 1\na{x="2",y="\\n"} 1\n# TYPE s summary\ns{quantile="0.5"} 1\ns_sum 1\ns_count 1\n',
    );
    for (const { name, content, labelSets } of group?.families ?? []) {
      expect(labelSets).toEqual(labelSetsOf(name, content.type, content.text));
    }
  });
});

describe('a push of series', () => {
  test('each label set is a group, sorted, without labels that were not given', () => {
    const groups = prepare('a{y="2",x="1"} 1\nb 2\nc{x="1",y="2"} 3\n', INGEST);
    const labels: Labels = [
      ['x', '1'],
      ['y', '2'],
    ];
    const shown = groups.map((group) => {
      return { ...group, families: group.families.map(({ name, content: { text } }) => [name, text]) };
    });
    expect(shown).toEqual([
      {
        groupId: makeGroup('ingest', labels).id,
        labels,
        families: [
          ['a', 'a{x="1",y="2"} 1\n'],
          ['c', 'c{x="1",y="2"} 3\n'],
        ],
      },
      { groupId: makeGroup('ingest', []).id, labels: [], families: [['b', 'b 2\n']] },
    ]);
  });

  test('pushed push times of any type are ignored', () => {
    const groups = prepare('push_time_seconds{a="b"} 1 5\npush_failure_time_seconds 2\na{a="b"} 1\n', INGEST);
    expect(groups.map(({ families }) => families.map(({ name }) => name))).toEqual([['a']]);
  });

  test('an empty body brings nothing', () => {
    expect(prepare('', INGEST)).toEqual([]);
  });
});

describe('families that text cannot express are also kept as protobuf', () => {
  const native: NativeBuckets = {
    schema: 3,
    zeroThreshold: 0.001,
    zeroCount: 1,
    positiveSpans: [[0, 2]],
    positiveDeltas: [1, 1],
    negativeSpans: [],
    negativeDeltas: [],
    positiveCounts: [],
    negativeCounts: [],
    exemplars: [],
  };
  const base = { name: 'm', help: 'h', metrics: [{ labels: [], value: 1 }] };
  test.for<[what: string, family: Family, isExact: boolean]>([
    ['a gauge', { ...base, type: 'gauge' }, false],
    ['minus zero', { ...base, type: 'gauge', metrics: [{ labels: [], value: -0 }] }, true],
    ['a unit', { ...base, type: 'gauge', unit: 's' }, true],
    [
      'a native histogram',
      { ...base, type: 'histogram', metrics: [{ labels: [], buckets: [], sampleCount: 4, sampleSum: 3, native }] },
      true,
    ],
  ])('%s', ([, family, isExact]) => {
    for (const options of [PUSH, INGEST]) {
      const [group] = preparePush(encodeFamily(family), { ...options, format: 'protobuf' });
      const exact = group?.families[0]?.content.exact;
      expect(exact !== undefined).toBe(isExact);
      if (exact === undefined) continue;
      const { labels } = decodeProtobuf(exact).get('m')?.metrics[0] ?? {};
      expect(labels).toEqual(options === INGEST ? [] : [['instance', ''], ...GROUPING]);
      expect(decodeProtobuf(exact).get('m')).toMatchObject({ ...family, metrics: [{ ...family.metrics[0], labels }] });
    }
  });
});

describe('is refused', () => {
  test.for<[what: string, body: string, fault: object]>([
    ['a syntax error', 'a 1\nb\n', { code: 'exposition_invalid', message: expect.stringContaining('line 2') }],
    ['a timestamp', 'a 1 2\n', { code: 'push_inconsistent' }],
    ['a series twice', 'a{x="1"} 1\na{x="1"} 2\n', { code: 'push_inconsistent' }],
    ['bytes that are not UTF-8', 'a{x="\xff"} 1\n', { code: 'exposition_invalid' }],
    ['more series than a push may have', 'a{x="1"} 1\na{x="2"} 1\nb 1\nc 1\n', { code: 'push_too_large' }],
  ])('%s', ([, body, fault]) => {
    for (const options of [PUSH, INGEST]) {
      expect(() => preparePush(Buffer.from(body, 'latin1'), { ...options, maxSeries: 3 })).toThrow(
        expect.objectContaining(fault) as Error,
      );
    }
  });

  test('the maximum number of series is accepted', () => {
    expect(prepare('a{x="1"} 1\na{x="2"} 1\nb 1\n', { ...PUSH, maxSeries: 3 })[0]?.families).toHaveLength(2);
  });

  test('too many families; with one group for each label set, the families of every group are counted', () => {
    const limited = { ...PUSH, maxFamilies: 3 };
    const series = 'a{x="1"} 1\na{x="2"} 1\nb{x="1"} 1\n';
    expect(prepare(`${series}c 1\n`, limited)[0]?.families).toHaveLength(3);
    expect(() => prepare('a 1\nb 1\nc 1\nd 1\n', limited)).toThrow(
      'the push has more than the 3 families allowed (--push.max-families-per-push): split it',
    );
    const split = { ...INGEST, maxFamilies: 3 };
    expect(prepare(series, split)).toHaveLength(2);
    expect(() => prepare(`${series}b{x="2"} 1\n`, split)).toThrow(
      'the push brings 4 families to its groups, more than the 3 allowed (--push.max-families-per-push): split it',
    );
    expect(() => prepare(`${series}c 1\n`, split)).toThrow(
      expect.objectContaining({ code: 'push_too_large' }) as Error,
    );
  });

  test('the lines of a histogram, or of a summary, are one series', () => {
    const histogram = (x: number): string =>
      `h_bucket{x="${x}",le="1"} 1\nh_bucket{x="${x}",le="+Inf"} 1\nh_sum{x="${x}"} 1\nh_count{x="${x}"} 1\n`;
    const summary = (x: number): string => `s{x="${x}",quantile="0.5"} 1\ns_sum{x="${x}"} 1\ns_count{x="${x}"} 1\n`;
    const body = `# TYPE h histogram\n${histogram(1)}${histogram(2)}# TYPE s summary\n${summary(1)}`;
    expect(prepare(body, { ...PUSH, maxSeries: 3 })[0]?.families).toHaveLength(2);
    expect(() => prepare(body + summary(2), { ...PUSH, maxSeries: 3 })).toThrow('more than the 3 series allowed');
    expect(() => prepare(body, { ...PUSH, maxSeries: 2 })).toThrow('more than the 2 series allowed');
  });

  test('protobuf', () => {
    const family: Family = {
      name: 'a',
      help: '',
      type: 'gauge',
      metrics: [1, 2, 3].map((value) => ({ labels: [['x', `${value}`]], value })),
    };
    const body = encodeFamily(family);
    const protobuf: PrepareOptions = { ...PUSH, format: 'protobuf', maxSeries: 3 };
    expect(preparePush(body, protobuf)[0]?.families).toHaveLength(1);
    expect(() => preparePush(body, { ...protobuf, maxSeries: 2 })).toThrow('more than the 2 series allowed');
  });

  test('two series that grouping labels make equal', () => {
    expect(() => prepare('a{job="1"} 1\na{job="2"} 1\n')).toThrow(/collected before/);
    expect(prepare('a{job="1"} 1\na{job="2"} 1\n', INGEST)).toHaveLength(2);
  });
});
