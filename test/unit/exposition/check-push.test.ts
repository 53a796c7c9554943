import { describe, expect, it } from 'vitest';
import { checkPush } from '../../../shared/exposition/check/check-push.ts';
import { applyGroupingLabels } from '../../../shared/model/group-labels.ts';
import type { Families, Labels, MetricType } from '../../../shared/model/metric-family.ts';
import { parseText } from '../../../shared/exposition/text/parse-text.ts';
import { renderSamples } from '../../../shared/exposition/text/render-text.ts';
import { splitByLabelSet } from '../../../services/ingest/prepare/split-series.ts';

const GROUP: Labels = [
  ['job', 'J'],
  ['zone', 'Z'],
];

function grouped(body: string, grouping: Labels = GROUP): string {
  return [...applyGroupingLabels(parseText(body), grouping).values()].map(renderSamples).join('');
}

function refusal(body: string, grouping: Labels = GROUP): string | undefined {
  const families = applyGroupingLabels(parseText(body), grouping);
  try {
    checkPush(families);
  } catch (error) {
    expect(error).toHaveProperty('code', 'push_inconsistent');
    return error instanceof Error ? error.message : '';
  }
  return undefined;
}

describe('applyGroupingLabels', () => {
  it.each<[body: string, result: string]>([
    ['a 1\n', 'a{instance="",job="J",zone="Z"} 1\n'],
    ['a{job="x",zone="y"} 1\n', 'a{instance="",job="J",zone="Z"} 1\n'],
    ['a{zz="",b="1",instance="i",aa="2"} 1\n', 'a{aa="2",b="1",instance="i",job="J",zone="Z",zz=""} 1\n'],
    [
      'a{b="1"} 1\na{b="2"} 2\na{c="3"} 3\na 4\nb{b="2"} 5\n',
      'a{b="1",instance="",job="J",zone="Z"} 1\na{b="2",instance="",job="J",zone="Z"} 2\n' +
        'a{c="3",instance="",job="J",zone="Z"} 3\na{instance="",job="J",zone="Z"} 4\nb{b="2",instance="",job="J",zone="Z"} 5\n',
    ],
    ['push_time_seconds 1\npush_failure_time_seconds{a="b"} 1 5\na 1\n', 'a{instance="",job="J",zone="Z"} 1\n'],
  ])('%j', (body, result) => {
    expect(grouped(body)).toBe(result);
  });
  it('takes the instance of the group', () => {
    expect(
      grouped('a{instance="mine"} 1\n', [
        ['instance', ''],
        ['job', 'J'],
      ]),
    ).toBe('a{instance="",job="J"} 1\n');
  });
  it('sorts many labels', () => {
    const labels = Array.from({ length: 50 }, (_, i) => `l${99 - i}="x"`);
    expect(grouped(`a{${labels.join(',')}} 1\n`, [['job', 'J']])).toBe(
      `a{instance="",job="J",${labels.toReversed().join(',')}} 1\n`,
    );
  });
});

describe('checkPush', () => {
  it.each([
    '',
    'a 1\na{b=""} 1\n',
    'a_sum 1\n# TYPE a counter\na 1\n',
    '# TYPE s summary\ns_count 1\ns_bucket 1\n',
    'a{x="p",y="q"} 1\na{x="ab",y="c"} 1\na{x="a",y="bc"} 1\na{x="-",y="q"} 1\na{x="p",y="-"} 1\n',
    '# TYPE g gauge\ng{quantile="1",le="2"} 1\n',
    '# TYPE h histogram\nh_count{quantile="1"} 1\n',
    '# TYPE s summary\ns_count{le="1"} 1\n',
    '_sum 1\n# TYPE x summary\nx 1\n',
  ])('takes %j', (body) => {
    expect(refusal(body)).toBeUndefined();
  });
  it.each<[body: string, reason: RegExp]>([
    ['a 1 5\n', /^pushed metrics must not have timestamps$/],
    ['# TYPE s summary\ns_sum 1 0\n', /^pushed metrics must not have timestamps$/],
    [
      'a 1\na 2\n',
      /^collected metric "a" \{ label:\{name:"instance" value:""\} .*untyped:\{value:2\}\} was collected before with the same name and label values$/,
    ],
    ['a{job="1"} 1\na{job="2"} 2\n', /was collected before/],
    ['a{b="1",c="2"} 1\na{c="2",b="1"} 1\n', /was collected before/],
    ['a{__b="1"} 1\n', /has a label with an invalid name: __b$/],
    [
      'a_sum 1\n# TYPE a summary\na 1\n',
      /^collected histogram or summary named "a" collides with previously collected metric named "a_sum"$/,
    ],
    [
      '# TYPE a_count gauge\n# TYPE a histogram\na 1\na_count 1\n',
      /^collected histogram or summary named "a" collides with previously collected metric named "a_count"$/,
    ],
    [
      'a_bucket 1\n# TYPE a histogram\na 1\n',
      /^collected histogram named "a" collides with previously collected metric named "a_bucket"$/,
    ],
    [
      '# TYPE h histogram\nh_bucket{le="1"} 1\nh_bucket{le="1.0"} 2\n',
      /two or more buckets with the same upper bound: 1$/,
    ],
    ['# TYPE s summary\ns{quantile="0.5"} 1\ns{quantile=".5"} 2\n', /two or more values for the same quantile: 0.5$/],
  ])('refuses %j', (body, reason) => {
    expect(refusal(body)).toMatch(reason);
  });
  it.each<[label: string, body: string]>([
    ['quantile', '# TYPE s summary\ns_sum 1\n'],
    ['le', '# TYPE h histogram\nh_sum 1\n'],
  ])('refuses %s as a grouping label', (label, body) => {
    expect(
      refusal(body, [
        ['job', 'J'],
        [label, '1'],
      ]),
    ).toMatch(new RegExp(`must not have an explicit "${label}" label$`));
  });
  it('refuses a duplicate label, which protobuf can contain', () => {
    const labels: Labels = [
      ['b', '1'],
      ['b', '2'],
    ];
    const families: Families = new Map([
      ['a', { name: 'a', help: '', type: 'gauge', metrics: [{ labels, value: 1 }] }],
    ]);
    expect(() => {
      checkPush(families);
    }).toThrow('two or more labels with the same name: b');
  });
});

describe('suffix collisions', () => {
  const others: [name: string, type: MetricType][] = [
    ['s', 'summary'],
    ['h', 'histogram'],
    ['g', 'gauge'],
    ['t_bucket', 'gauge'],
  ];
  it.each<[name: string, type: MetricType, clashes: boolean]>([
    ['s_sum', 'gauge', true],
    ['s_count', 'gauge', true],
    ['s_bucket', 'gauge', false],
    ['h_bucket', 'gauge', true],
    ['h_sum', 'summary', true],
    ['g_sum', 'gauge', false],
    ['t', 'summary', false],
    ['t', 'histogram', true],
    ['t', 'gauge_histogram', true],
    ['t', 'gauge', false],
  ])('%s as %s: %s', (name, type, clashes) => {
    const families: Families = new Map();
    for (const [one, as] of [...others, [name, type] as const]) {
      families.set(one, { name: one, type: as, help: '', metrics: [] });
    }
    const check = expect(() => checkPush(families));
    if (clashes) check.toThrow('collides with previously collected');
    else check.not.toThrow();
  });
});

describe('splitByLabelSet', () => {
  it('makes a group of each label set', () => {
    const body =
      'a{y="1",x="2"} 1\nb{x="2",y="1"} 2\na 3\n# TYPE h histogram\nh_bucket{le="1"} 4\nh_count 5\nb{x="2",y="1"} 6\n';
    const groups = [...splitByLabelSet(parseText(body))].map(([key, group]) => [
      key,
      [...group.families.values()].map(renderSamples).join(''),
    ]);
    expect(groups).toEqual([
      ['["x","2","y","1"]', 'a{x="2",y="1"} 1\nb{x="2",y="1"} 6\n'],
      ['[]', 'a 3\nh_bucket{le="1"} 4\nh_bucket{le="+Inf"} 5\nh_sum 0\nh_count 5\n'],
    ]);
  });
});
