/** Cases for pushes in protobuf (see cases.ts). They are also compared with a protobuf scrape. */
import type { Case } from './cases.ts';
import { encodeFamilies, TYPES, varint, type Message } from './protobuf.ts';
import { gzip, GZIP, post, PROTOBUF, put, type Step } from './step.ts';

const J = '/job/j';
const pb = (...families: readonly Message[]): Step => put(J, encodeFamilies(...families), PROTOBUF);
const pbAt = (path: string, ...families: readonly Message[]): Step => put(path, encodeFamilies(...families), PROTOBUF);
const pbPost = (...families: readonly Message[]): Step => post(J, encodeFamilies(...families), PROTOBUF);
const raw = (...bytes: readonly (Uint8Array | string)[]): Step =>
  put(J, Buffer.concat(bytes.map((part) => Buffer.from(part as string))), PROTOBUF);

const gauge = (name: string, value = 1, more: Message = {}): Message => {
  return { name, type: TYPES.gauge, metric: [{ gauge: { value }, ...more }] };
};
const labelled = (...labels: readonly (readonly [string | Uint8Array, string | Uint8Array])[]): Message => {
  return { label: labels.map(([name, value]) => ({ name, value })) };
};
const histogram = (of: Message, more: Message = {}): Message => {
  return { name: 'h', type: TYPES.histogram, metric: [{ histogram: of, ...more }] };
};
const ofType = (contentType: string): Step =>
  put(`/job/${Buffer.from(contentType).toString('hex')}`, encodeFamilies(gauge('a')), { 'content-type': contentType });
const NATIVE = { count: 7, sum: 9.5, schema: 1, zeroThreshold: 0.001, zeroCount: 2 };
const P = 'application/vnd.google.protobuf';

// prettier-ignore
export const protobufCases: readonly Case[] = [
  ['a gauge', pb({ ...gauge('a', 1.5, labelled(['x', '1'])), help: 'text' })],
  ['a counter', pb({ name: 'a', type: TYPES.counter, metric: [{ counter: { value: 2 } }] })],
  ['an untyped', pb({ name: 'a', type: TYPES.untyped, metric: [{ untyped: { value: 2 } }] })],
  ['a summary', pb({ name: 's', type: TYPES.summary, metric: [{ summary: { count: 3, sum: 4.5, quantile: [{ quantile: 0.5, value: 1 }, { quantile: 0.99, value: NaN }] } }] })],
  ['an empty summary', pb({ name: 's', type: TYPES.summary, metric: [{ summary: {} }] })],
  ['a histogram', pb(histogram({ count: 3, sum: 4.5, bucket: [{ count: 1, bound: 0.5 }, { count: 2, bound: 1 }] }))],
  ['a histogram with +Inf', pb(histogram({ count: 3, sum: 4.5, bucket: [{ count: 1, bound: 0.5 }, { count: 3, bound: Infinity }] }))],
  ['an empty histogram', pb(histogram({}))],
  ['exemplars', pb(histogram({ count: 1, sum: 1, bucket: [{ count: 1, bound: 1, exemplar: [{ label: [{ name: 'trace', value: 'x' }], value: 0.5, timestamp: { seconds: 1600000000, nanos: 5 } }] }] }), { name: 'c', type: TYPES.counter, metric: [{ counter: { value: 2, exemplar: { label: [{ name: 'trace', value: 'y' }], value: 1 } } }] })],
  ['created timestamps', pb(histogram({ count: 1, sum: 1, created: { seconds: 1600000000, nanos: 5 } }), { name: 'c', type: TYPES.counter, metric: [{ counter: { value: 2, created: { seconds: 1600000000 } } }] }, { name: 's', type: TYPES.summary, metric: [{ summary: { count: 2, created: { seconds: 1 } } }] })],
  ['a unit', pb({ ...gauge('a'), unit: 'seconds' })],
  ['several families and metrics', pb(gauge('a'), { name: 'b', type: TYPES.counter, metric: [{ counter: { value: 1 }, ...labelled(['x', '1']) }, { counter: { value: 2 }, ...labelled(['x', '2']) }] })],
  ['a repeated family: the last one wins', pb(gauge('a', 1, labelled(['x', '1'])), gauge('a', 2, labelled(['x', '2'])))],
  ['a family without metrics', pb({ name: 'a', type: TYPES.gauge, help: 'text' }, gauge('b'))],
  ['a family without metrics replaces by POST', put(J, 'a 1\nb 1\n'), pbPost({ name: 'a', type: TYPES.gauge })],
  ['a metric without a value', pb({ name: 'a', type: TYPES.gauge, metric: [{}] }), pb({ name: 'a', type: TYPES.gauge, metric: [{ gauge: {} }] })],
  ['a metric of another type than its family', pb({ name: 'a', type: TYPES.gauge, metric: [{ counter: { value: 1 } }] }), pb({ name: 'a', type: TYPES.histogram, metric: [{ summary: { count: 1 } }] }), pb({ name: 'a', type: TYPES.untyped, metric: [{ gauge: { value: 1 } }] })],
  ['no type is a counter', pb({ name: 'a', metric: [{ counter: { value: 1 } }] }), pbAt('/job/k', { name: 'b', metric: [{ gauge: { value: 1 } }] })],
  ['a gauge against text', pb(gauge('a')), put('/job/k', 'a 1\n'), put('/job/l', '# TYPE a gauge\na 1\n')],
  ['no help', pb(gauge('a'), { ...gauge('b'), help: 'text' })],
  ['help with escapes', pb({ ...gauge('a'), help: 'a\n\\ "b"\r' })],
  ['timestamps', pb(gauge('a', 1, { timestampMs: 1 })), pb(gauge('a', 1, { timestampMs: 0 })), pb(gauge('a', 1, { timestampMs: -1 }))],
  ['labels in any order, and those of the group', pbAt(`${J}/x/1`, gauge('a', 1, labelled(['z', '1'], ['x', '2'], ['b', ''])))],
  ['a duplicate label', pb(gauge('a', 1, labelled(['x', '1'], ['x', '2'])))],
  ['a label without a value', pb({ name: 'a', type: TYPES.gauge, metric: [{ gauge: { value: 1 }, label: [{ name: 'x' }] }] })],
  ['a reserved label', pb(gauge('a', 1, labelled(['__x', '1']))), pb(gauge('a', 1, labelled(['__name__', '1'])))],
  ['a label without a name', pb(gauge('a', 1, labelled(['', '1'])))],
  ['an instance', pb(gauge('a', 1, labelled(['instance', 'i'])))],
  ['a series twice', pb({ name: 'a', type: TYPES.gauge, metric: [{ gauge: { value: 1 } }, { gauge: { value: 2 } }] })],
  ['a series twice, with another order of labels', pb({ name: 'a', type: TYPES.gauge, metric: [{ gauge: { value: 1 }, ...labelled(['x', '1'], ['y', '2']) }, { gauge: { value: 2 }, ...labelled(['y', '2'], ['x', '1']) }] })],
  ['a quantile label of a summary', pb({ name: 's', type: TYPES.summary, metric: [{ summary: { count: 1 }, ...labelled(['quantile', '1']) }] })],
  ['values', pb({ name: 'a', type: TYPES.gauge, metric: [0, -0, NaN, Infinity, -Infinity, 1e6, 1e21, 5e-324, 0.1].map((value, i) => ({ gauge: { value }, ...labelled(['x', String(i)]) })) })],
  ['large counts', pb(histogram({ count: 9007199254740991, sum: 1, bucket: [{ count: 123456789012, bound: 1e6 }] }))],
  ['bytes that are not UTF-8', pb(gauge('a', 1, labelled(['x', Buffer.from([0xff])]))), pb(gauge('a', 1, labelled([Buffer.from([0xff]), '1']))), pb({ ...gauge('a'), help: Buffer.from([0xff]) })],
  ['nothing', pb(gauge('a')), pb()],
  ['text', put(J, 'a 1\n', PROTOBUF)],
  ['garbage', raw(varint(4), Buffer.from([0x0a, 0xff, 0xff, 0xff])), raw(varint(1), Buffer.from([0x00]))],
  ['unknown fields', raw(varint(encodeFamilies(gauge('a')).length - 1 + 3), encodeFamilies(gauge('a')).subarray(1), Buffer.from([0xf8, 0x07, 0x01]))],
  ['gzip', put(J, gzip(encodeFamilies(gauge('a'))), { ...PROTOBUF, ...GZIP })],
  ['POST replaces families', pb(gauge('a'), gauge('b')), pbPost(gauge('b', 2))],
  ['the content type, in other ways', ofType(`${P};proto=io.prometheus.client.MetricFamily;encoding=delimited`), ofType(`${P}; encoding=delimited; proto=io.prometheus.client.MetricFamily`), ofType(`${P}; proto="io.prometheus.client.MetricFamily"; encoding="delimited"`), ofType(`${P.toUpperCase()}; PROTO=io.prometheus.client.MetricFamily; Encoding=delimited`), ofType(`${P}; proto=io.prometheus.client.MetricFamily; encoding=delimited; charset=utf-8`), ofType(`${P}; proto=io.prometheus.client.MetricFamily; encoding=delimited;`), ofType(` ${P} ; proto=io.prometheus.client.MetricFamily ; encoding=delimited `)],
  ['duplicates across groups', pbAt(`${J}/x/1`, gauge('a')), pb(gauge('a', 1, labelled(['x', '1'])))],
  ['push_time_seconds', pb(gauge('push_time_seconds'), { name: 'push_failure_time_seconds', type: TYPES.counter, metric: [{ counter: { value: 1 } }] })],
];

/** Cases in which 1.5.1 differs. */
// prettier-ignore
export const protobufLatestCases: readonly Case[] = [
  ['a histogram with counts that are floats', pb(histogram({ countFloat: 3.5, sum: 4.5, bucket: [{ countFloat: 1.5, bound: 0.5 }] }))],
  ['a gauge histogram', pb({ name: 'h', type: TYPES.gaugeHistogram, metric: [{ histogram: { count: 3, sum: 4.5, bucket: [{ count: 1, bound: 0.5 }] } }] })],
  ['a native histogram', pb(histogram({ ...NATIVE, positiveSpan: [{ offset: 0, length: 2 }], positiveDelta: [2, 1] }))],
  ['a native histogram with negative buckets', pb(histogram({ ...NATIVE, count: 8, negativeSpan: [{ offset: -2, length: 1 }, { offset: 2, length: 1 }], negativeDelta: [1, 0], positiveSpan: [{ offset: 3, length: 2 }], positiveDelta: [3, -2] }))],
  ['a native histogram of floats', pb(histogram({ countFloat: 5.5, sum: 9, schema: 0, zeroThreshold: 0.5, zeroCountFloat: 1.5, positiveSpan: [{ offset: 0, length: 2 }], positiveCount: [2.5, 1.5] }))],
  ['a native histogram with classic buckets', pb(histogram({ ...NATIVE, bucket: [{ count: 3, bound: 1 }, { count: 7, bound: 10 }], positiveSpan: [{ offset: 0, length: 2 }], positiveDelta: [2, 1] }))],
  ['a native histogram without buckets', pb(histogram({ count: 0, sum: 0, schema: 3, zeroThreshold: 0.001, zeroCount: 0, positiveSpan: [{ offset: 0, length: 0 }] }))],
  ['a native histogram with empty buckets', pb(histogram({ ...NATIVE, count: 4, positiveSpan: [{ offset: 1, length: 3 }], positiveDelta: [1, -1, 1] }))],
  ['exemplars of a native histogram', pb(histogram({ ...NATIVE, positiveSpan: [{ offset: 0, length: 2 }], positiveDelta: [2, 1], exemplar: [{ label: [{ name: 'trace', value: 'x' }], value: 0.5, timestamp: { seconds: 1600000000 } }] }))],
  ['cut short', raw(encodeFamilies(gauge('a')).subarray(0, -1)), raw(encodeFamilies(gauge('a')), varint(5)), raw(Buffer.from([0x80]))],
  ['content types that are text', ofType(`${P}; proto=io.prometheus.client.metricfamily; encoding=delimited`), ofType(`${P}; proto=io.prometheus.client.MetricFamily; encoding=DELIMITED`), ofType(`${P}; proto=io.prometheus.client.MetricFamily`), ofType(`${P}; proto=io.prometheus.client.MetricFamily; encoding=delimited; encoding=delimited`), ofType(`${P}; proto=io.prometheus.client.MetricFamily; encoding=delimited; x`), ofType(`${P}; proto=io.prometheus.client.MetricFamily, encoding=delimited`), ofType(`${P}; proto = io.prometheus.client.MetricFamily; encoding=delimited`)],
];
