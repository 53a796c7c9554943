/**
 * Writes families; the messages are listed in codec.ts. A message is the concatenation of its fields, so a family can
 * be written in pieces.
 */
import type { Exemplar, Family, HistogramMetric, Labels, Metric, MetricType } from '../../model/metric-family.ts';
import type { NativeBuckets, SimpleMetric, SummaryMetric, Timestamp } from '../../model/metric-family.ts';
import { WireWriter } from './writer.ts';

const TYPE_NUMBERS: Readonly<Record<MetricType, number>> = {
  counter: 0,
  gauge: 1,
  summary: 2,
  untyped: 3,
  histogram: 4,
  gauge_histogram: 5,
};

/** Shared, because nothing is asynchronous between `begin` and `finish`. */
const writer = new WireWriter();

/** A whole message of the stream: length, header, metrics. */
export function encodeFamily(family: Family): Buffer {
  const header = encodeFamilyHeader(family.name, family.help, family.type, family.unit);
  const metrics = encodeFamilyMetrics(family);
  return Buffer.concat([encodeLength(header.byteLength + metrics.byteLength), header, metrics]);
}

/** Everything but the metrics. */
export function encodeFamilyHeader(name: string, help: string, type: MetricType, unit?: string): Buffer {
  writer.begin().string(1, name);
  if (help !== '') writer.string(2, help);
  writer.uint64(3, TYPE_NUMBERS[type]);
  if (unit !== undefined) writer.string(5, unit);
  return writer.finish();
}

/** The metrics alone, to be appended to a header. */
export function encodeFamilyMetrics(family: Family): Buffer {
  writer.begin();
  switch (family.type) {
    case 'counter':
    case 'gauge':
    case 'untyped': {
      const field = { gauge: 2, counter: 3, untyped: 5 }[family.type];
      for (const metric of family.metrics) writeMetric(metric, field, () => writeSimple(metric));
      break;
    }
    case 'summary':
      for (const metric of family.metrics) writeMetric(metric, 4, () => writeSummary(metric));
      break;
    case 'histogram':
    case 'gauge_histogram':
      for (const metric of family.metrics) writeMetric(metric, 7, () => writeHistogram(metric));
      break;
  }
  return writer.finish();
}

/** What precedes a message of this length. */
export function encodeLength(byteLength: number): Buffer {
  writer.begin().varint(byteLength);
  return writer.finish();
}

function writeMetric(metric: Metric, field: number, writeContent: () => void): void {
  writer.message(4, () => {
    writeLabels(metric.labels);
    writer.message(field, writeContent);
    if (metric.timestampMs !== undefined) writer.int64(6, metric.timestampMs);
  });
}

function writeLabels(labels: Labels): void {
  for (const [name, value] of labels) {
    writer.message(1, () => {
      writer.string(1, name);
      writer.string(2, value);
    });
  }
}

function writeSimple(metric: SimpleMetric): void {
  writer.double(1, metric.value);
  writeExemplar(2, metric.exemplar);
  writeTimestamp(3, metric.created);
}

function writeSummary(metric: SummaryMetric): void {
  writer.uint64(1, metric.sampleCount);
  writer.double(2, metric.sampleSum);
  for (const [quantile, value] of metric.quantiles) {
    writer.message(3, () => {
      writer.double(1, quantile);
      writer.double(2, value);
    });
  }
  writeTimestamp(4, metric.created);
}

/** The largest uint64 is 2^64 as a double, and is written as the largest uint64. */
function isUint64(count: number): boolean {
  return Number.isInteger(count) && count >= 0 && count <= 2 ** 64;
}

function writeHistogram(metric: HistogramMetric): void {
  // All counts of a histogram are of one kind, as in the parsers of the text format.
  const counts = [metric.sampleCount, ...metric.buckets.map(([, count]) => count)];
  const isFloat = metric.floatCounts === true || !counts.every(isUint64);
  if (!isFloat) writer.uint64(1, metric.sampleCount);
  writer.double(2, metric.sampleSum);
  const exemplars = new Map(metric.bucketExemplars);
  for (const [index, [upperBound, count]] of metric.buckets.entries()) {
    writer.message(3, () => {
      if (!isFloat) writer.uint64(1, count);
      writer.double(2, upperBound);
      writeExemplar(3, exemplars.get(index));
      if (isFloat) writer.double(4, count);
    });
  }
  if (isFloat) writer.double(4, metric.sampleCount);
  if (metric.native !== undefined) writeNative(metric.native, isFloat);
  writeTimestamp(15, metric.created);
  for (const exemplar of metric.native?.exemplars ?? []) writeExemplar(16, exemplar);
}

function writeNative(native: NativeBuckets, isFloat: boolean): void {
  if (native.schema !== undefined) writer.sint32(5, native.schema);
  if (native.zeroThreshold !== undefined) writer.double(6, native.zeroThreshold);
  if (native.zeroCount !== undefined && !isFloat) writer.uint64(7, native.zeroCount);
  if (native.zeroCount !== undefined && isFloat) writer.double(8, native.zeroCount);
  writeSide(9, native.negativeSpans, native.negativeDeltas, native.negativeCounts);
  writeSide(12, native.positiveSpans, native.positiveDeltas, native.positiveCounts);
}

/** Spans, deltas and counts have consecutive field numbers. */
function writeSide(
  field: number,
  spans: NativeBuckets['positiveSpans'],
  deltas: readonly number[],
  counts: readonly number[],
): void {
  for (const [offset, length] of spans) {
    writer.message(field, () => {
      writer.sint32(1, offset);
      writer.uint64(2, length);
    });
  }
  for (const delta of deltas) writer.sint64(field + 1, delta);
  for (const count of counts) writer.double(field + 2, count);
}

function writeExemplar(field: number, exemplar: Exemplar | undefined): void {
  if (exemplar === undefined) return;
  writer.message(field, () => {
    writeLabels(exemplar.labels);
    writer.double(2, exemplar.value);
    writeTimestamp(3, exemplar.timestamp);
  });
}

function writeTimestamp(field: number, timestamp: Timestamp | undefined): void {
  if (timestamp === undefined) return;
  writer.message(field, () => {
    // A proto3 message: zeros are not written.
    if (timestamp.seconds !== 0) writer.int64(1, timestamp.seconds);
    if (timestamp.nanos !== 0) writer.int64(2, timestamp.nanos);
  });
}
