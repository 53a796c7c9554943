import { expect, test } from 'vitest';
import type { Family } from '../../../shared/model/metric-family.ts';
import { encodeFamilyHeader, encodeFamilyMetrics } from '../../../shared/exposition/protobuf/codec.ts';
import {
  PROTOBUF_COMPACT_TEXT,
  PROTOBUF_TEXT,
  protobufText,
} from '../../../shared/exposition/protobuf/protobuf-text.ts';

// test/differential/scrape.test.ts compares the same with Go.

const FAMILY: Family = {
  name: 'h',
  help: 'a "b"\n\\\x01é',
  type: 'histogram',
  metrics: [
    {
      labels: [['l', 'v']],
      buckets: [[Infinity, 2.5]],
      sampleCount: 2.5,
      sampleSum: NaN,
      native: {
        schema: -1,
        zeroThreshold: 1e-7,
        negativeSpans: [],
        negativeDeltas: [],
        negativeCounts: [],
        positiveSpans: [[-2, 2]],
        positiveDeltas: [],
        positiveCounts: [1, 1.5],
        exemplars: [{ labels: [], value: -Infinity, timestamp: { seconds: -1, nanos: 5 } }],
      },
    },
  ],
};

const wire = (family: Family): Buffer =>
  Buffer.concat([encodeFamilyHeader(family.name, family.help, family.type), encodeFamilyMetrics(family)]);

test('on several lines', () => {
  expect(protobufText(wire(FAMILY), PROTOBUF_TEXT)).toBe(String.raw`name: "h"
help: "a \"b\"\n\\\x01é"
type: HISTOGRAM
metric: {
  label: {
    name: "l"
    value: "v"
  }
  histogram: {
    sample_count_float: 2.5
    sample_sum: nan
    bucket: {
      cumulative_count_float: 2.5
      upper_bound: inf
    }
    schema: -1
    zero_threshold: 1e-07
    positive_span: {
      offset: -2
      length: 2
    }
    positive_count: 1
    positive_count: 1.5
    exemplars: {
      value: -inf
      timestamp: {
        seconds: -1
        nanos: 5
      }
    }
  }
}`);
});

test('on one line', () => {
  const gauge: Family = { name: 'g', help: '', type: 'gauge', metrics: [{ labels: [], value: 1e6 }] };
  expect(protobufText(wire(gauge), PROTOBUF_COMPACT_TEXT)).toBe('name:"g" type:GAUGE metric:{gauge:{value:1e+06}}');
});

test('empty and unknown values', () => {
  const nothing = Buffer.from('\x0a\x01g\x18\x01\x22\x02\x12\x00\x2a\x01s\x30\x05', 'latin1');
  expect(protobufText(nothing, PROTOBUF_COMPACT_TEXT)).toBe('name:"g" type:GAUGE metric:{gauge:{}}');
  expect(protobufText(nothing, PROTOBUF_TEXT)).toBe('name: "g"\ntype: GAUGE\nmetric: {\n  gauge: {}\n}');
});
