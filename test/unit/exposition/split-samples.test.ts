import { describe, expect, test } from 'vitest';
import { encodeFamily, splitFamily } from '../../../shared/exposition/protobuf/codec.ts';
import { parseText } from '../../../shared/exposition/text/parse-text.ts';
import { readHeader, renderHeader, renderSamples } from '../../../shared/exposition/text/render-text.ts';
import { splitSamples } from '../../../shared/exposition/text/split-samples.ts';
import { METRIC_TYPES, type Family, type MetricType } from '../../../shared/model/metric-family.ts';

const NAMES = ['m', 'x_count', 'my.metric', 'a"\\b', 'x_sum_count'];
const COUNT = 40;

function familyOf(name: string, type: MetricType): Family {
  const labels = (i: number): [string, string][] => [
    ['a', `\n${name}_count{"\\`],
    ['i', String(i)],
  ];
  const numbers = Array.from({ length: COUNT }, (_, i) => i);
  switch (type) {
    case 'summary':
      return {
        name,
        help: '',
        type,
        metrics: numbers.map((i) => ({ labels: labels(i), quantiles: [[0.5, i]], sampleCount: i, sampleSum: i })),
      };
    case 'histogram':
    case 'gauge_histogram':
      return {
        name,
        help: '',
        type,
        metrics: numbers.map((i) => ({
          labels: labels(i),
          buckets: Array.from({ length: 1 + (i % 5) }, (_, le) => [le === i % 5 ? Infinity : le, le] as const),
          sampleCount: i % 5,
          sampleSum: i,
        })),
      };
    default:
      return { name, help: '', type, metrics: numbers.map((i) => ({ labels: labels(i), value: i })) };
  }
}

const cases = METRIC_TYPES.flatMap((type) => NAMES.map((name) => [type, name] as const));

describe('sample lines are divided between metrics', () => {
  test.for(cases.filter(([type]) => type !== 'gauge_histogram'))('%s %s', ([type, name]) => {
    const family = familyOf(name, type);
    const text = Buffer.from(renderSamples(family));
    for (const minBytes of [1, 100, 1_000, 1e6]) {
      const pieces = [...splitSamples(name, type, text, minBytes)];
      expect(Buffer.concat(pieces)).toEqual(text);
      const parsed = pieces.map((piece) => {
        return parseText(renderHeader(name, '', type) + piece.toString(), { utf8Names: true }).get(name) as Family;
      });
      expect(parsed.flatMap((piece): readonly unknown[] => piece.metrics)).toEqual(family.metrics);
      if (minBytes === 1) expect(pieces).toHaveLength(COUNT);
      for (const piece of pieces.slice(0, -1)) {
        expect(piece.length).toBeGreaterThanOrEqual(minBytes);
        expect(piece.length).toBeLessThan(minBytes + text.length / 10);
      }
    }
  });
});

describe('protobuf families are divided between metrics', () => {
  test.for(cases)('%s %s', ([type, name]) => {
    const family = familyOf(name, type);
    const message = encodeFamily({ ...family, help: 'h'.repeat(300), unit: 'bytes' });
    for (const minBytes of [1, 1_000, 1e6]) {
      const pieces = [...splitFamily(family, message, minBytes)];
      expect(pieces.map(({ name: own, help, type: ownType }) => [own, help, ownType])).toEqual(
        pieces.map(() => [name, '', type]),
      );
      expect(pieces.flatMap((piece): readonly unknown[] => piece.metrics)).toEqual(family.metrics);
      if (minBytes === 1) expect(pieces).toHaveLength(COUNT);
    }
  });
});

test.for(['', 'help', 'a\nb', '\\n\\\\', '# TYPE x y', '\n# TYPE m gauge', ' \\'])(
  'a header is read back: %j',
  (help) => {
    for (const name of NAMES)
      expect(readHeader(name, renderHeader(name, help, 'summary'))).toEqual({ help, type: 'summary' });
  },
);
