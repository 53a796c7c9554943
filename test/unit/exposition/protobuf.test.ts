import { describe, expect, it } from 'vitest';
import { checkPush } from '../../../shared/exposition/check/check-push.ts';
import type { Families, Family, HistogramMetric, Labels, NativeBuckets } from '../../../shared/model/metric-family.ts';
import {
  decodeProtobuf,
  encodeFamily,
  encodeFamilyHeader,
  encodeFamilyMetrics,
  encodeLength,
} from '../../../shared/exposition/protobuf/codec.ts';
import { renderSamples } from '../../../shared/exposition/text/render-text.ts';

/** The bytes of a message, given as hexadecimal numbers and texts. */
function bytes(...parts: string[]): Buffer {
  return Buffer.concat(
    parts.map((part) =>
      /^([0-9a-f]{2} ?)*$/.test(part) ? Buffer.from(part.replaceAll(' ', ''), 'hex') : Buffer.from(part),
    ),
  );
}

function stream(...messages: Buffer[]): Buffer {
  return Buffer.concat(messages.flatMap((message) => [encodeLength(message.length), message]));
}

function refusal(act: () => unknown, code = 'exposition_invalid'): string {
  try {
    act();
  } catch (error) {
    expect(error).toHaveProperty('code', code);
    return error instanceof Error ? error.message.replace('protobuf parsing error in message ', '') : '';
  }
  throw new Error('it was taken');
}

const NATIVE: NativeBuckets = {
  schema: 3,
  zeroThreshold: 0.001,
  zeroCount: 1,
  negativeSpans: [[-3, 1]],
  negativeDeltas: [2],
  negativeCounts: [],
  positiveSpans: [
    [0, 2],
    [4, 1],
  ],
  positiveDeltas: [1, 1, -1],
  positiveCounts: [],
  exemplars: [{ labels: [['trace_id', 'x']], value: 2, timestamp: { seconds: -1, nanos: 5 } }],
};
const FLOATS: NativeBuckets = {
  ...NATIVE,
  positiveDeltas: [],
  positiveCounts: [0.5, 1, 1],
  negativeDeltas: [],
  negativeCounts: [2.5],
};

const FAMILIES: Family[] = [
  {
    name: 'g',
    help: 'Help é\n',
    type: 'gauge',
    metrics: [
      { labels: [], value: -0 },
      {
        labels: [
          ['a', ''],
          ['b', 'é'.repeat(100)],
        ],
        value: NaN,
      },
    ],
  },
  {
    name: 'u',
    help: '',
    type: 'untyped',
    unit: 's',
    metrics: [
      { labels: [], value: 1, timestampMs: -5 },
      { labels: [], value: 1, timestampMs: 0 },
    ],
  },
  {
    name: 'c',
    help: '',
    type: 'counter',
    metrics: [
      {
        labels: [],
        value: 5,
        created: { seconds: 1700000000, nanos: 999 },
        exemplar: { labels: [['a', 'b']], value: 1 },
      },
    ],
  },
  {
    name: 's',
    help: '',
    type: 'summary',
    metrics: [
      {
        labels: [],
        quantiles: [
          [0.5, 1],
          [0.9, NaN],
        ],
        sampleCount: 2 ** 40,
        sampleSum: 1,
        created: { seconds: 1, nanos: 0 },
      },
    ],
  },
  {
    name: 'h',
    help: '',
    type: 'histogram',
    metrics: [
      {
        labels: [],
        buckets: [
          [1, 2],
          [Infinity, 300],
        ],
        sampleCount: 300,
        sampleSum: 1e6,
      },
    ],
  },
  {
    name: 'g_h',
    help: '',
    type: 'gauge_histogram',
    metrics: [
      {
        labels: [],
        buckets: [
          [1, 2.5],
          [2, 1],
        ],
        sampleCount: 0.5,
        sampleSum: -1,
        floatCounts: true,
        bucketExemplars: [[1, { labels: [], value: 3 }]],
      },
    ],
  },
  {
    name: 'n',
    help: '',
    type: 'histogram',
    metrics: [{ labels: [], buckets: [], sampleCount: 7, sampleSum: 3, native: NATIVE }],
  },
  {
    name: 'f',
    help: '',
    type: 'histogram',
    metrics: [{ labels: [], buckets: [], sampleCount: 6, sampleSum: 3, floatCounts: true, native: FLOATS }],
  },
  { name: 'empty', help: '', type: 'counter', metrics: [] },
];

describe('encode and decode', () => {
  it.each(FAMILIES)('$name', (family) => {
    expect([...decodeProtobuf(encodeFamily(family)).values()]).toEqual([family]);
  });
  it('many families', () => {
    expect([...decodeProtobuf(Buffer.concat(FAMILIES.map(encodeFamily))).values()]).toEqual(FAMILIES);
  });
  it('texts of any length', () => {
    for (const length of [...Array.from({ length: 300 }, (_, i) => 3950 + i), 16_383, 16_384, 70_000]) {
      const labels: Labels = [
        ['a', 'x'.repeat(length)],
        ['b', 'é'],
      ];
      const family: Family = { name: 'g', help: '', type: 'gauge', metrics: [{ labels, value: length }] };
      expect(decodeProtobuf(encodeFamily(family)).get('g')?.metrics).toEqual(family.metrics);
    }
  });
  it('a family joined from parts', () => {
    const family = FAMILIES[0] ?? expect.fail();
    const parts = [
      encodeFamilyHeader('g', 'Help é\n', 'gauge'),
      encodeFamilyMetrics(family),
      encodeFamilyMetrics(family),
    ];
    expect(decodeProtobuf(stream(Buffer.concat(parts))).get('g')?.metrics).toEqual([
      ...family.metrics,
      ...family.metrics,
    ]);
  });
  it('the last of two families with the same name, and no family of an empty body', () => {
    const families = decodeProtobuf(
      stream(encodeFamilyHeader('a', '1', 'gauge'), encodeFamilyHeader('a', '2', 'counter')),
    );
    expect([...families.values()]).toEqual([{ name: 'a', help: '2', type: 'counter', metrics: [] }]);
    expect(decodeProtobuf(new Uint8Array()).size).toBe(0);
  });
  it('any order, merged messages, packed lists and unknown fields', () => {
    const gauge = bytes('12 09 09', '00 00 00 00 00 00 f0 3f');
    const unknown = bytes('7b 08 01 7c', '82 01 02', 'zz', '2d 00 00 00 00');
    const message = Buffer.concat([bytes('22 0b'), gauge, bytes('18 01'), unknown, bytes('0a 01', 'x')]);
    expect(decodeProtobuf(stream(message)).get('x')).toEqual({
      name: 'x',
      help: '',
      type: 'gauge',
      metrics: [{ labels: [], value: 1 }],
    });
    // Two histograms in one metric: a count, and deltas 1, -1, packed.
    const histogram = bytes('0a 01', 'h', '18 04', '22 0a', '3a 02 08 05', '3a 04 6a 02 02 01');
    expect(decodeProtobuf(stream(histogram)).get('h')?.metrics).toEqual([
      expect.objectContaining({ sampleCount: 5, native: expect.objectContaining({ positiveDeltas: [1, -1] }) }),
    ]);
  });
  it('a replaced family is not validated', () => {
    const replaced = bytes('0a 01', 'x', '18 09', '22 02 1a 00');
    expect(decodeProtobuf(stream(replaced, bytes('0a 01', 'x'))).get('x')?.metrics).toEqual([]);
  });
  it('a help that is not UTF-8', () => {
    expect(decodeProtobuf(stream(bytes('0a 01', 'x', '12 02 ff', 'a'))).get('x')?.help).toBe('\ufffda');
  });
  it('a family without a type is a counter', () => {
    expect(decodeProtobuf(stream(bytes('0a 01', 'x'))).get('x')?.type).toBe('counter');
  });
});

describe('invalid bodies', () => {
  it.each<[what: string, body: Buffer, reason: string]>([
    ['no message after a length', bytes('05'), '1: 5 bytes are announced, but only 0 follow'],
    ['a length of 4 GB', bytes('ff ff ff ff 0f', 'x'), '1: 4294967295 bytes are announced, but only 1 follow'],
    ['half a length', bytes('80'), '1: unexpected end'],
    ['a length of 70 bits', bytes('ff ff ff ff ff ff ff ff ff 7f'), '1: a varint has more than 64 bits'],
    ['no name', bytes('00'), '1: the metric family has no name'],
    ['a name with a newline', stream(bytes('0a 03', 'a\nb')), '1 ("a\\nb"): invalid metric name'],
    ['a name that needs quotes', stream(bytes('0a 03', 'a.b')), '1 ("a.b"): invalid metric name'],
    ['an unknown type', stream(bytes('0a 01', 'x', '18 06')), '1 ("x"): unknown metric type 6'],
    [
      'a bad label name',
      stream(bytes('0a 01', 'x', '22 07', '0a 03 0a 01', '-', '1a 00')),
      '1 ("x"): invalid label name "-"',
    ],
    ['the field 0', stream(bytes('0a 01', 'x', '00 00')), '1 ("x"): invalid field number'],
    ['the end of no group', stream(bytes('0a 01', 'x', '0c')), '1 ("x"): invalid wire type'],
    ['a group without an end', stream(bytes('0a 01', 'x', '0b')), '1 ("x"): unexpected end'],
    ['the wire type 7', stream(bytes('0a 01', 'x', '0f')), '1 ("x"): invalid wire type'],
    [
      'a field that is longer than its message',
      Buffer.concat([stream(bytes('0a 05', 'x')), bytes('00 00 00 00')]),
      '1: 5 bytes are announced, but only 1 follow',
    ],
    [
      'a string that reaches into the next message',
      stream(bytes('0a 02', 'x'), bytes('0a 01', 'y')),
      '1: 2 bytes are announced, but only 1 follow',
    ],
    [
      'the second message',
      Buffer.concat([stream(bytes('0a 01', 'x')), bytes('09')]),
      '2: 9 bytes are announced, but only 0 follow',
    ],
  ])('%s', (_, body, reason) => {
    expect(refusal(() => decodeProtobuf(body))).toBe(reason);
  });
  it('a metric of another type is inconsistent', () => {
    const body = stream(bytes('0a 01', 'x', '18 01 22 09 0a 05 0a 01 61 12 00 1a 00'));
    expect(refusal(() => decodeProtobuf(body), 'push_inconsistent')).toBe(
      'collected metric "x" { label:{name:"a" value:""} } is not a GAUGE',
    );
  });
  it('accepts any UTF-8 name if UTF-8 names are enabled', () => {
    const body = stream(bytes('0a 03', 'a.b', '22 07', '0a 03 0a 01', '-', '1a 00'));
    expect(decodeProtobuf(body, { utf8Names: true }).get('a.b')?.metrics).toEqual([{ labels: [['-', '']], value: 0 }]);
  });
  it('nested groups do not overflow the stack', () => {
    const deep = Buffer.alloc(100_000, 0x0b);
    expect(refusal(() => decodeProtobuf(stream(Buffer.concat([bytes('0a 01', 'x'), deep]))))).toBe(
      '1 ("x"): invalid wire type',
    );
  });
});

function nativeRefusal(metric: HistogramMetric): string | undefined {
  const families: Families = new Map([['n', { name: 'n', help: '', type: 'histogram', metrics: [metric] }]]);
  try {
    checkPush(families);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message.replace(/^.*\} /, '') : '';
  }
}

describe('native histograms', () => {
  const HISTOGRAM: HistogramMetric = { labels: [], buckets: [], sampleCount: 7, sampleSum: 3, native: NATIVE };
  it('show their +Inf bucket, sum and count as text', () => {
    expect(renderSamples({ name: 'n', help: '', type: 'histogram', metrics: [HISTOGRAM] })).toBe(
      'n_bucket{le="+Inf"} 7\nn_sum 3\nn_count 7\n',
    );
  });
  it.each<[what: string, metric: HistogramMetric]>([
    ['integers', HISTOGRAM],
    ['floats', { ...HISTOGRAM, floatCounts: true, native: FLOATS }],
    [
      'no buckets at all',
      {
        ...HISTOGRAM,
        native: { ...NATIVE, positiveSpans: [], negativeSpans: [], zeroCount: 0, zeroThreshold: 0, schema: 99 },
      },
    ],
    ['NaN observed', { ...HISTOGRAM, sampleCount: 8, sampleSum: NaN }],
  ])('are taken: %s', (_, metric) => {
    expect(nativeRefusal(metric)).toBeUndefined();
  });
  it.each<[change: Partial<NativeBuckets>, reason: string]>([
    [{ schema: 9 }, 'has schema 9: expected -4 to 8'],
    [{ positiveSpans: [[0, 4]] }, 'has invalid positive buckets: spans describe 4 buckets, but 3 are given'],
    [
      {
        positiveSpans: [
          [0, 2],
          [-1, 1],
        ],
      },
      'has invalid positive buckets: a span begins before the end of the span before it',
    ],
    [{ negativeSpans: [] }, 'has invalid negative buckets: spans describe 0 buckets, but 1 are given'],
    [{ positiveDeltas: [1, -2, 4] }, 'has invalid positive buckets: a count is negative'],
    [{ zeroCount: 2 }, 'has 8 observations in its buckets, but a count of 7'],
  ])('are refused as Prometheus would: %j', (change, reason) => {
    expect(nativeRefusal({ ...HISTOGRAM, native: { ...NATIVE, ...change } })).toBe(reason);
  });
});
