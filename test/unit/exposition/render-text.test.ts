import { describe, expect, it } from 'vitest';
import { formatFloat } from '../../../shared/exposition/text/format-float.ts';
import { renderHeader, renderSamples } from '../../../shared/exposition/text/render-text.ts';

describe('formatFloat', () => {
  it.each<[value: number, text: string]>([
    [0, '0'],
    [-0, '-0'],
    [1, '1'],
    [-1, '-1'],
    [0.1, '0.1'],
    [100000, '100000'],
    [999999, '999999'],
    [999999.9, '999999.9'],
    [1e6, '1e+06'],
    [-1e6, '-1e+06'],
    [1234567, '1.234567e+06'],
    [123456789, '1.23456789e+08'],
    [1e21, '1e+21'],
    [1e100, '1e+100'],
    [1.5e-10, '1.5e-10'],
    [0.0001, '0.0001'],
    [0.00012345, '0.00012345'],
    [0.00001, '1e-05'],
    [0.000099, '9.9e-05'],
    [5e-324, '5e-324'],
    [Number.MAX_VALUE, '1.7976931348623157e+308'],
    [NaN, 'NaN'],
    [Infinity, '+Inf'],
    [-Infinity, '-Inf'],
    [0.1 + 0.2, '0.30000000000000004'],
    [2 ** 53, '9.007199254740992e+15'],
  ])('%d', (value, text) => {
    expect(formatFloat(value)).toBe(text);
  });
});

describe('renderHeader', () => {
  it.each<[name: string, help: string, text: string]>([
    ['a', '', '# TYPE a gauge\n'],
    ['a', 'x', '# HELP a x\n# TYPE a gauge\n'],
    ['a', 'b\\c\nd"e', '# HELP a b\\\\c\\nd"e\n# TYPE a gauge\n'],
    ['a b"\n', 'x', '# HELP "a b\\"\\n" x\n# TYPE "a b\\"\\n" gauge\n'],
  ])('%j %j', (name, help, text) => {
    expect(renderHeader(name, help, 'gauge')).toBe(text);
  });
});

describe('renderSamples', () => {
  it('writes both zeros as 0, and a timestamp', () => {
    const metrics = [
      { labels: [], value: -0 },
      { labels: [['a', 'b'] as const], value: 1e6, timestampMs: 5 },
    ];
    expect(renderSamples({ name: 'm', help: '', type: 'gauge', metrics })).toBe('m 0\nm{a="b"} 1e+06 5\n');
  });
  it('writes the bound after the labels, and a name that needs quotes in the braces', () => {
    const metrics = [
      { labels: [['z', '\\"\n'] as const], buckets: [[Infinity, 2] as const], sampleCount: 2, sampleSum: 1 },
    ];
    expect(renderSamples({ name: 'h', help: '', type: 'histogram', metrics })).toBe(
      'h_bucket{z="\\\\\\"\\n",le="+Inf"} 2\nh_sum{z="\\\\\\"\\n"} 1\nh_count{z="\\\\\\"\\n"} 2\n',
    );
    expect(
      renderSamples({ name: 'a.b', help: '', type: 'gauge', metrics: [{ labels: [['c d', 'e']], value: 1 }] }),
    ).toBe('{"a.b","c d"="e"} 1\n');
  });
});
