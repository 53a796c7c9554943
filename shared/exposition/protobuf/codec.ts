/**
 * The protobuf exposition format: a stream of MetricFamily messages, each preceded by its length as a varint (see
 * reader.ts).
 *
 *     MetricFamily  1 name, 2 help, 3 type (0 counter, 1 gauge, 2 summary, 3 untyped, 4 histogram, 5 gauge histogram),
 *                   4 Metric …, 5 unit
 *     Metric        1 LabelPair …, 2 Gauge, 3 Counter, 4 Summary, 5 Untyped, 7 Histogram, 6 timestamp_ms (int64)
 *     LabelPair     1 name, 2 value
 *     Gauge         1 value                                       numbers are doubles unless another type is given
 *     Untyped       1 value
 *     Counter       1 value, 2 Exemplar, 3 Timestamp created
 *     Summary       1 count (uint64), 2 sum, 3 Quantile …, 4 Timestamp created
 *     Quantile      1 quantile, 2 value
 *     Histogram     1 count (uint64), 4 count, 2 sum, 3 Bucket …, 15 Timestamp created, and the native
 *                   buckets: 5 schema (sint32), 6 zero threshold, 7 zero count (uint64), 8 zero count,
 *                   9 and 12 BucketSpan … (negative, positive), 10 and 13 deltas … (sint64), 11 and 14 counts …,
 *                   16 Exemplar …
 *     Bucket        1 cumulative count (uint64), 4 cumulative count, 2 upper bound, 3 Exemplar
 *     BucketSpan    1 offset (sint32), 2 length (uint32)
 *     Exemplar      1 LabelPair …, 2 value, 3 Timestamp
 *     Timestamp     1 seconds (int64), 2 nanos (int32)
 *
 * If a count can be an integer or a double, the double counts unless it is 0. Fields may come in any order, and more
 * than once: then the last scalar counts, messages are merged, and lists are concatenated. Unknown fields are skipped.
 * https://github.com/prometheus/client_model/blob/master/io/prometheus/client/metrics.proto
 */
export { decodeProtobuf, type DecodeProtobufOptions } from './decode.ts';
export { encodeFamily, encodeFamilyHeader, encodeFamilyMetrics, encodeLength } from './encode.ts';
export { splitFamily } from './split.ts';
export { PROTOBUF_COMPACT_TEXT, PROTOBUF_TEXT, protobufText } from './protobuf-text.ts';
