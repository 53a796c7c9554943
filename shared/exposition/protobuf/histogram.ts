/**
 * Reads the message Histogram (see codec.ts).
 */
import type { BucketSpan, Exemplar, HistogramMetric, NativeBuckets, Timestamp } from '../../model/metric-family.ts';
import { readExemplar, readTimestamp, type ExemplarDraft, type PushReader } from './parts.ts';
import { BYTES, FIXED64, VARINT } from './reader.ts';

/** The float counts unless it is 0. */
interface Count {
  integer: number;
  float: number;
}

const valueOf = (count: Count): number => (count.float === 0 ? count.integer : count.float);

interface Bucket {
  count: Count;
  upperBound: number;
  exemplar?: ExemplarDraft;
}

export class HistogramDraft {
  readonly #count: Count = { integer: 0, float: 0 };
  #sum = 0;
  readonly #buckets: Bucket[] = [];
  #created: Timestamp | undefined;
  #native: NativeBuckets | undefined;
  readonly #zeroCount: Count = { integer: 0, float: 0 };
  #hasZeroCount = false;

  read(reader: PushReader): void {
    const outerEnd = reader.enter();
    while (reader.next()) {
      const { tag } = reader;
      if (tag === 1 * 8 + VARINT) this.#count.integer = reader.uint64();
      else if (tag === 2 * 8 + FIXED64) this.#sum = reader.double();
      else if (tag === 3 * 8 + BYTES) readPart(reader, this.#buckets, readBucket);
      else if (tag === 4 * 8 + FIXED64) this.#count.float = reader.double();
      else if (tag === 15 * 8 + BYTES) readTimestamp(reader, (this.#created ??= { seconds: 0, nanos: 0 }));
      else if (!this.#readNative(reader)) reader.skip();
    }
    reader.leave(outerEnd);
  }

  /** Without labels. */
  finish(): HistogramMetric {
    const buckets = this.#buckets.map(({ upperBound, count }): [number, number] => [upperBound, valueOf(count)]);
    const metric: HistogramMetric = {
      labels: [],
      buckets,
      sampleCount: valueOf(this.#count),
      sampleSum: this.#sum,
    };
    const counts = [this.#count, this.#zeroCount, ...this.#buckets.map(({ count }) => count)];
    if (counts.some(({ float }) => float !== 0)) metric.floatCounts = true;
    const exemplars = this.#buckets.flatMap(({ exemplar }, index): [number, Exemplar][] =>
      exemplar ? [[index, exemplar]] : [],
    );
    if (exemplars.length > 0) metric.bucketExemplars = exemplars;
    if (this.#created !== undefined) metric.created = this.#created;
    const native = this.#native;
    if (native !== undefined && this.#hasZeroCount) native.zeroCount = valueOf(this.#zeroCount);
    if (native !== undefined && !isEmpty(native)) metric.native = native;
    return metric;
  }

  /** False if it is another field. */
  #readNative(reader: PushReader): boolean {
    const { tag } = reader;
    const native = this.#native ?? noBuckets();
    if (tag === 5 * 8 + VARINT) native.schema = reader.sint32();
    else if (tag === 6 * 8 + FIXED64) native.zeroThreshold = reader.double();
    else if (tag === 7 * 8 + VARINT) this.#setZeroCount('integer', reader.uint64());
    else if (tag === 8 * 8 + FIXED64) this.#setZeroCount('float', reader.double());
    else if (tag === 9 * 8 + BYTES) readPart(reader, native.negativeSpans, readSpan);
    else if (tag === 10 * 8 + VARINT || tag === 10 * 8 + BYTES) readDeltas(reader, native.negativeDeltas);
    else if (tag === 11 * 8 + FIXED64 || tag === 11 * 8 + BYTES) readCounts(reader, native.negativeCounts);
    else if (tag === 12 * 8 + BYTES) readPart(reader, native.positiveSpans, readSpan);
    else if (tag === 13 * 8 + VARINT || tag === 13 * 8 + BYTES) readDeltas(reader, native.positiveDeltas);
    else if (tag === 14 * 8 + FIXED64 || tag === 14 * 8 + BYTES) readCounts(reader, native.positiveCounts);
    else if (tag === 16 * 8 + BYTES) readPart(reader, native.exemplars, readNewExemplar);
    else return false;
    this.#native = native;
    return true;
  }

  #setZeroCount(kind: keyof Count, value: number): void {
    this.#zeroCount[kind] = value;
    this.#hasZeroCount = true;
  }
}

function isEmpty(native: NativeBuckets): boolean {
  return Object.values(native).every(
    (field: number | readonly unknown[]) => typeof field !== 'number' && field.length === 0,
  );
}

function noBuckets(): NativeBuckets {
  return {
    negativeSpans: [],
    negativeDeltas: [],
    negativeCounts: [],
    positiveSpans: [],
    positiveDeltas: [],
    positiveCounts: [],
    exemplars: [],
  };
}

function readPart<T>(reader: PushReader, into: T[], read: (reader: PushReader) => T): void {
  reader.limits.addPart(into.length);
  into.push(read(reader));
}

function readBucket(reader: PushReader): Bucket {
  const bucket: Bucket = { count: { integer: 0, float: 0 }, upperBound: 0 };
  const outerEnd = reader.enter();
  while (reader.next()) {
    if (reader.tag === 1 * 8 + VARINT) bucket.count.integer = reader.uint64();
    else if (reader.tag === 2 * 8 + FIXED64) bucket.upperBound = reader.double();
    else if (reader.tag === 3 * 8 + BYTES) readExemplar(reader, (bucket.exemplar ??= { labels: [], value: 0 }));
    else if (reader.tag === 4 * 8 + FIXED64) bucket.count.float = reader.double();
    else reader.skip();
  }
  reader.leave(outerEnd);
  return bucket;
}

function readSpan(reader: PushReader): BucketSpan {
  let offset = 0;
  let length = 0;
  const outerEnd = reader.enter();
  while (reader.next()) {
    if (reader.tag === 1 * 8 + VARINT) offset = reader.sint32();
    else if (reader.tag === 2 * 8 + VARINT) length = reader.uint32();
    else reader.skip();
  }
  reader.leave(outerEnd);
  return [offset, length];
}

function readNewExemplar(reader: PushReader): Exemplar {
  const exemplar: ExemplarDraft = { labels: [], value: 0 };
  readExemplar(reader, exemplar);
  return exemplar;
}

// Lists of scalars come as single values, or packed into one.

function readDeltas(reader: PushReader, into: number[]): void {
  if (reader.tag % 8 === VARINT) {
    reader.limits.addNumber(into.length);
    into.push(reader.sint64());
    return;
  }
  const outerEnd = reader.enter();
  while (!reader.atEnd) {
    reader.limits.addNumber(into.length);
    into.push(reader.sint64());
  }
  reader.leave(outerEnd);
}

function readCounts(reader: PushReader, into: number[]): void {
  if (reader.tag % 8 === FIXED64) {
    reader.limits.addNumber(into.length);
    into.push(reader.double());
    return;
  }
  const outerEnd = reader.enter();
  while (!reader.atEnd) {
    reader.limits.addNumber(into.length);
    into.push(reader.double());
  }
  reader.leave(outerEnd);
}
