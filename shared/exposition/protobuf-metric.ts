/**
 * Reads one metric; the messages are listed in protobuf-codec.ts. Its family's type may come after it, so whatever it holds is read.
 */
import type { HistogramMetric, LabelPair, SimpleMetric, SummaryMetric, Timestamp } from './model.ts';
import { HistogramDraft } from './protobuf-histogram.ts';
import { readExemplar, readLabel, readTimestamp, type ExemplarDraft } from './protobuf-parts.ts';
import { BYTES, FIXED64, VARINT, type WireReader } from './protobuf-reader.ts';
import { quote } from './quote.ts';

interface SimpleDraft {
  value: number;
}

interface CounterDraft extends SimpleDraft {
  exemplar?: ExemplarDraft;
  created?: Timestamp;
}

type SummaryDraft = Omit<SummaryMetric, 'labels'>;

export class MetricDraft {
  readonly labels: LabelPair[] = [];
  #timestampMs: number | undefined;
  #counter: CounterDraft | undefined;
  #gauge: SimpleDraft | undefined;
  #untyped: SimpleDraft | undefined;
  #summary: SummaryDraft | undefined;
  #histogram: HistogramDraft | undefined;

  read(reader: WireReader): void {
    while (reader.next()) {
      switch (reader.tag) {
        case 1 * 8 + BYTES:
          this.labels.push(readLabel(reader));
          break;
        case 2 * 8 + BYTES:
          readValue(reader, (this.#gauge ??= { value: 0 }));
          break;
        case 3 * 8 + BYTES:
          readCounter(reader, (this.#counter ??= { value: 0 }));
          break;
        case 4 * 8 + BYTES:
          readSummary(reader, (this.#summary ??= { quantiles: [], sampleCount: 0, sampleSum: 0 }));
          break;
        case 5 * 8 + BYTES:
          readValue(reader, (this.#untyped ??= { value: 0 }));
          break;
        case 6 * 8 + VARINT:
          this.#timestampMs = reader.int64();
          break;
        case 7 * 8 + BYTES:
          this.#histogram ??= new HistogramDraft();
          this.#histogram.read(reader);
          break;
        default:
          reader.skip();
      }
    }
  }

  // The metric, or undefined when it is of another type.

  simple(type: 'counter' | 'gauge' | 'untyped'): SimpleMetric | undefined {
    const draft = { counter: this.#counter, gauge: this.#gauge, untyped: this.#untyped }[type];
    return draft && this.#with(draft);
  }

  summary(): SummaryMetric | undefined {
    return this.#summary && this.#with(this.#summary);
  }

  histogram(): HistogramMetric | undefined {
    return this.#histogram && this.#with(this.#histogram.finish());
  }

  describe(): string {
    return `{ ${this.labels.map(([name, value]) => `label:{name:${quote(name)} value:${quote(value)}} `).join('')}}`;
  }

  #with<T extends object>(content: T): T & { labels: LabelPair[]; timestampMs?: number } {
    const { labels } = this;
    return this.#timestampMs === undefined
      ? { labels, ...content }
      : { labels, ...content, timestampMs: this.#timestampMs };
  }
}

/** Gauge or Untyped. */
function readValue(reader: WireReader, into: SimpleDraft): void {
  const outerEnd = reader.enter();
  while (reader.next()) {
    if (reader.tag === 1 * 8 + FIXED64) into.value = reader.double();
    else reader.skip();
  }
  reader.leave(outerEnd);
}

function readCounter(reader: WireReader, into: CounterDraft): void {
  const outerEnd = reader.enter();
  while (reader.next()) {
    if (reader.tag === 1 * 8 + FIXED64) into.value = reader.double();
    else if (reader.tag === 2 * 8 + BYTES) readExemplar(reader, (into.exemplar ??= { labels: [], value: 0 }));
    else if (reader.tag === 3 * 8 + BYTES) readTimestamp(reader, (into.created ??= { seconds: 0, nanos: 0 }));
    else reader.skip();
  }
  reader.leave(outerEnd);
}

function readSummary(reader: WireReader, into: SummaryDraft): void {
  const outerEnd = reader.enter();
  while (reader.next()) {
    if (reader.tag === 1 * 8 + VARINT) into.sampleCount = reader.uint64();
    else if (reader.tag === 2 * 8 + FIXED64) into.sampleSum = reader.double();
    else if (reader.tag === 3 * 8 + BYTES) into.quantiles.push(readQuantile(reader));
    else if (reader.tag === 4 * 8 + BYTES) readTimestamp(reader, (into.created ??= { seconds: 0, nanos: 0 }));
    else reader.skip();
  }
  reader.leave(outerEnd);
}

function readQuantile(reader: WireReader): [quantile: number, value: number] {
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
