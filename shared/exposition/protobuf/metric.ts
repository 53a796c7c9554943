/**
 * Reads one metric (see codec.ts). The type of its family may follow later, so metrics of all types are read.
 */
import type { HistogramMetric, LabelPair, Labels, Metric } from '../../model/metric-family.ts';
import type { SimpleMetric, SummaryMetric } from '../../model/metric-family.ts';
import { HistogramDraft } from './histogram.ts';
import { readExemplar, readLabel, readTimestamp, type ExemplarDraft, type PushReader } from './parts.ts';
import { BYTES, FIXED64, VARINT } from './reader.ts';
import { quoteLabels } from '../../model/quote.ts';

interface CounterDraft extends SimpleMetric {
  exemplar?: ExemplarDraft;
}

const NONE: Labels = [];

export class MetricDraft {
  readonly labels: LabelPair[] = [];
  #timestampMs: number | undefined;
  #counter: CounterDraft | undefined;
  #gauge: SimpleMetric | undefined;
  #untyped: SimpleMetric | undefined;
  #summary: SummaryMetric | undefined;
  #histogram: HistogramDraft | undefined;

  /** `before`: the labels of the metric before this one, which are often the same. */
  read(reader: PushReader, before: Labels): void {
    const { labels } = this;
    while (reader.next()) {
      const { tag } = reader;
      if (tag === 1 * 8 + BYTES) labels.push(readLabel(reader, labels.length, before[labels.length]));
      else if (tag === 2 * 8 + BYTES) readValue(reader, (this.#gauge ??= { labels: NONE, value: 0 }));
      else if (tag === 3 * 8 + BYTES) readCounter(reader, (this.#counter ??= { labels: NONE, value: 0 }));
      else if (tag === 4 * 8 + BYTES)
        readSummary(reader, (this.#summary ??= { labels: NONE, quantiles: [], sampleCount: 0, sampleSum: 0 }));
      else if (tag === 5 * 8 + BYTES) readValue(reader, (this.#untyped ??= { labels: NONE, value: 0 }));
      else if (tag === 6 * 8 + VARINT) this.#timestampMs = reader.int64();
      else if (tag === 7 * 8 + BYTES) (this.#histogram ??= new HistogramDraft()).read(reader);
      else reader.skip();
    }
  }

  // The metric; undefined if it is of another type.

  simple(type: 'counter' | 'gauge' | 'untyped'): SimpleMetric | undefined {
    if (type === 'counter') return this.#finish(this.#counter);
    return this.#finish(type === 'gauge' ? this.#gauge : this.#untyped);
  }

  summary(): SummaryMetric | undefined {
    return this.#finish(this.#summary);
  }

  histogram(): HistogramMetric | undefined {
    return this.#finish(this.#histogram?.finish());
  }

  describe(): string {
    return `{ ${quoteLabels(this.labels)}}`;
  }

  #finish<M extends Metric>(metric: M | undefined): M | undefined {
    if (metric === undefined) return undefined;
    metric.labels = this.labels;
    if (this.#timestampMs !== undefined) metric.timestampMs = this.#timestampMs;
    return metric;
  }
}

/** Gauge or Untyped. */
function readValue(reader: PushReader, into: SimpleMetric): void {
  const outerEnd = reader.enter();
  while (reader.next()) {
    if (reader.tag === 1 * 8 + FIXED64) into.value = reader.double();
    else reader.skip();
  }
  reader.leave(outerEnd);
}

function readCounter(reader: PushReader, into: CounterDraft): void {
  const outerEnd = reader.enter();
  while (reader.next()) {
    if (reader.tag === 1 * 8 + FIXED64) into.value = reader.double();
    else if (reader.tag === 2 * 8 + BYTES) readExemplar(reader, (into.exemplar ??= { labels: [], value: 0 }));
    else if (reader.tag === 3 * 8 + BYTES) readTimestamp(reader, (into.created ??= { seconds: 0, nanos: 0 }));
    else reader.skip();
  }
  reader.leave(outerEnd);
}

function readSummary(reader: PushReader, into: SummaryMetric): void {
  const outerEnd = reader.enter();
  while (reader.next()) {
    if (reader.tag === 1 * 8 + VARINT) into.sampleCount = reader.uint64();
    else if (reader.tag === 2 * 8 + FIXED64) into.sampleSum = reader.double();
    else if (reader.tag === 3 * 8 + BYTES) {
      reader.limits.addPart(into.quantiles.length);
      into.quantiles.push(readQuantile(reader));
    } else if (reader.tag === 4 * 8 + BYTES) readTimestamp(reader, (into.created ??= { seconds: 0, nanos: 0 }));
    else reader.skip();
  }
  reader.leave(outerEnd);
}

function readQuantile(reader: PushReader): [quantile: number, value: number] {
  let quantile = 0;
  let value = 0;
  const outerEnd = reader.enter();
  while (reader.next()) {
    if (reader.tag === 1 * 8 + FIXED64) quantile = reader.double();
    else if (reader.tag === 2 * 8 + FIXED64) value = reader.double();
    else reader.skip();
  }
  reader.leave(outerEnd);
  return [quantile, value];
}
