/**
 * Reads families. Their messages are listed in codec.ts; those of a metric are read by metric.ts.
 */
import { GatewayError } from '../../errors.ts';
import { haveSameNames } from '../../model/labels.ts';
import type { Families, Family, Labels, MetricType } from '../../model/metric-family.ts';
import { isLegacyLabelName, isLegacyMetricName } from '../../model/names.ts';
import { MetricDraft } from './metric.ts';
import { PushReader } from './parts.ts';
import { BYTES, NotUtf8Error, VARINT, WireError } from './reader.ts';
import { quote } from '../../model/quote.ts';
import { NO_LIMITS, type PushLimits } from '../push-limits.ts';

export interface DecodeProtobufOptions {
  /** Metric and label names may be any UTF-8; otherwise only legacy names. */
  utf8Names?: boolean;
  /** Default none. Families that a later one of the same name replaces count, too. */
  limits?: PushLimits;
}

/**
 * Reads a whole body. Of families with the same name the last counts; a family without metrics is kept. Throws
 * `exposition_invalid` for invalid messages, for a missing or invalid name, and for an unknown type;
 * `push_inconsistent` for strings that are not UTF-8, and for a metric that is not of its family's type; and
 * `push_too_large`, see push-limits.ts.
 */
export function decodeProtobuf(
  body: Uint8Array,
  { utf8Names = false, limits = NO_LIMITS }: DecodeProtobufOptions = {},
): Families {
  const reader = new PushReader(body, limits);
  // Families that a later one replaces are not checked.
  const drafts = new Map<string, { draft: FamilyMessage; count: number }>();
  for (let count = 1; !reader.atEnd; count++) {
    limits.addFamily();
    const draft = new FamilyMessage();
    explaining(draft, count, () => {
      const outerEnd = reader.enter();
      draft.read(reader);
      reader.leave(outerEnd);
    });
    drafts.set(draft.name, { draft, count });
  }
  const families: Families = new Map();
  for (const { draft, count } of drafts.values()) {
    families.set(
      draft.name,
      explaining(draft, count, () => draft.finish(utf8Names)),
    );
  }
  return families;
}

function explaining<T>(draft: FamilyMessage, count: number, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    const which = draft.name === '' ? '' : ` (${quote(draft.name)})`;
    const message = `protobuf parsing error in message ${String(count)}${which}: ${error.message}`;
    // Like the official gateway, which checks strings only when it checks for consistency.
    const code = error instanceof NotUtf8Error ? 'push_inconsistent' : 'exposition_invalid';
    throw new GatewayError(code, message, { cause: error });
  }
}

/** By their number in the enumeration. */
const TYPES: readonly MetricType[] = ['counter', 'gauge', 'summary', 'untyped', 'histogram', 'gauge_histogram'];

class FamilyMessage {
  name = '';
  #help = '';
  #type = 0;
  #unit: string | undefined;
  readonly #metrics: MetricDraft[] = [];

  read(reader: PushReader): void {
    while (reader.next()) {
      if (reader.tag === 1 * 8 + BYTES) {
        this.name = reader.string();
        reader.limits.checkString(this.name, 'metric name');
      } else if (reader.tag === 2 * 8 + BYTES) {
        this.#help = reader.lossyString();
        reader.limits.checkString(this.#help, 'help');
      } else if (reader.tag === 3 * 8 + VARINT) this.#type = reader.int32();
      else if (reader.tag === 4 * 8 + BYTES) {
        reader.limits.addSeries();
        this.#readMetric(reader);
      } else if (reader.tag === 5 * 8 + BYTES) {
        this.#unit = reader.string();
        reader.limits.checkString(this.#unit, 'unit');
      } else reader.skip();
    }
  }

  #readMetric(reader: PushReader): void {
    const metric = new MetricDraft();
    const outerEnd = reader.enter();
    metric.read(reader, this.#metrics.at(-1)?.labels ?? []);
    reader.leave(outerEnd);
    this.#metrics.push(metric);
  }

  finish(utf8Names: boolean): Family {
    if (this.name === '') throw new WireError('the metric family has no name');
    if (!utf8Names && !isLegacyMetricName(this.name)) throw new WireError('invalid metric name');
    const type = TYPES[this.#type];
    if (type === undefined) throw new WireError(`unknown metric type ${String(this.#type)}`);
    if (!utf8Names) this.#checkLabelNames();
    const family = this.#withMetrics(type);
    if (this.#unit !== undefined) family.unit = this.#unit;
    return family;
  }

  #checkLabelNames(): void {
    let before: Labels = [];
    for (const { labels } of this.#metrics) {
      if (!haveSameNames(labels, before)) {
        for (const [name] of labels) {
          // An empty name is left to checkPush.
          if (name !== '' && !isLegacyLabelName(name)) throw new WireError(`invalid label name ${quote(name)}`);
        }
      }
      before = labels;
    }
  }

  #withMetrics(type: MetricType): Family {
    const { name } = this;
    const help = this.#help;
    switch (type) {
      case 'counter':
      case 'gauge':
      case 'untyped':
        return { name, help, type, metrics: this.#all((metric) => metric.simple(type)) };
      case 'summary':
        return { name, help, type, metrics: this.#all((metric) => metric.summary()) };
      case 'histogram':
      case 'gauge_histogram':
        return { name, help, type, metrics: this.#all((metric) => metric.histogram()) };
    }
    return type satisfies never;
  }

  #all<M>(of: (metric: MetricDraft) => M | undefined): M[] {
    const metrics: M[] = [];
    for (const draft of this.#metrics) {
      const metric = of(draft);
      if (metric === undefined) {
        const type = (TYPES[this.#type] ?? '').toUpperCase();
        throw new GatewayError(
          'push_inconsistent',
          `collected metric ${quote(this.name)} ${draft.describe()} is not a ${type}`,
        );
      }
      metrics.push(metric);
    }
    return metrics;
  }
}
