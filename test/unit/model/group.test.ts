import { describe, expect, it } from 'vitest';
import { formatSelector } from '../../../shared/model/format-selector.ts';
import { makeGroup, groupPath, shardOf } from '../../../shared/model/group.ts';
import { decodeLabels, encodeLabels } from '../../../shared/model/labels.ts';

describe('makeGroup', () => {
  it('never changes the IDs of stored groups', () => {
    expect(
      makeGroup('push', [
        ['job', 'a'],
        ['instance', 'b'],
      ]),
    ).toEqual({
      kind: 'push',
      labels: [
        ['instance', 'b'],
        ['job', 'a'],
      ],
      id: 'ziThS3doX0bx0xCXC4GSDg',
    });
  });
  it('ignores the order of labels', () => {
    expect(
      makeGroup('push', [
        ['b', '1'],
        ['a', '2'],
      ]).id,
    ).toBe(
      makeGroup('push', [
        ['a', '2'],
        ['b', '1'],
      ]).id,
    );
  });
  it('distinguishes groups that look alike', () => {
    const ids = [
      makeGroup('push', [['job', 'a']]),
      makeGroup('ingest', [['job', 'a']]),
      makeGroup('push', [
        ['job', 'a'],
        ['x', ''],
      ]),
      makeGroup('push', [['job', 'a","x","']]),
      makeGroup('push', [['job', 'a\xff']]),
      makeGroup('push', [['job', 'a\ud800']]),
      makeGroup('push', [['job', 'a\ufffd']]),
      makeGroup('push', []),
    ].map((group) => group.id);
    expect(new Set(ids).size).toBe(ids.length);
  });
});

it('spreads groups evenly over shards', () => {
  const counts = Array.from({ length: 16 }, () => 0);
  for (let i = 0; i < 16_000; i++) {
    const shard = shardOf(makeGroup('push', [['job', String(i)]]).id, counts.length);
    counts[shard] = (counts[shard] ?? 0) + 1;
  }
  expect(Math.min(...counts)).toBeGreaterThan(850);
  expect(Math.max(...counts)).toBeLessThan(1150);
});

describe('groupPath', () => {
  it.each<[labels: [string, string][], path: string]>([
    [[['job', 'a']], '/metrics/job/a'],
    [
      [
        ['a', '1'],
        ['job', 'b c+d'],
        ['z', ''],
      ],
      '/metrics/job/b%20c%2Bd/a/1/z@base64/=',
    ],
    [
      [
        ['job', 'a/b'],
        ['p', '..'],
      ],
      '/metrics/job@base64/YS9i/p@base64/Li4',
    ],
    [
      [
        ['job', 'a'],
        ['my.label', 'é'],
      ],
      '/metrics/job/a/U__my_2e_label/%C3%A9',
    ],
    [
      [
        ['job', 'a'],
        ['my_label.1', 'b'],
      ],
      '/metrics/job/a/U__my__label_2e_1/b',
    ],
  ])('%j', (labels, path) => {
    expect(groupPath({ kind: 'push', labels })).toBe(path);
  });
  it('shows an ingest group as a selector', () => {
    expect(groupPath({ kind: 'ingest', labels: [['a', '"1"']] })).toBe('/ingest{a="\\"1\\""}');
  });
});

describe('formatSelector', () => {
  it.each<[labels: [string, string][], selector: string]>([
    [[], '{}'],
    [
      [
        ['a', ''],
        ['b', 'c'],
      ],
      '{a="", b="c"}',
    ],
    [[['my.label', '"\\\n\t']], String.raw`{"my.label"="\"\\\n\t"}`],
    [[['a', 'é\x07\x7f\u2028']], String.raw`{a="é\a\x7f\u2028"}`],
  ])('%j', (labels, selector) => {
    expect(formatSelector(labels)).toBe(selector);
  });
});

describe('encodeLabels', () => {
  it.each<[labels: [string, string][]]>([
    [[]],
    [[['a', '']]],
    [
      [
        ['a', '"\\\n\u2028'],
        ['b', '\ud800'],
      ],
    ],
  ])('%j and back', (labels) => {
    expect(decodeLabels(encodeLabels(labels))).toEqual(labels);
  });
  it.each(['{}', '["a"]', '[1,2]'])('does not decode %s', (encoded) => {
    expect(() => decodeLabels(encoded)).toThrow(TypeError);
  });
});
