/**
 * Renders the snapshot in a form that is not kept ready: protobuf (which supports native histograms), OpenMetrics, or
 * text with escaped names. Families are rendered one after another from what the groups hold. Units are left out,
 * because the official gateway loses them.
 */
import { escapeFamilyNames, type EscapingScheme } from '../../../shared/exposition/openmetrics/escape-names.ts';
import type { Family } from '../../../shared/model/metric-family.ts';
import { encodeFamilyHeader, encodeFamilyMetrics, encodeLength } from '../../../shared/exposition/protobuf/codec.ts';
import { protobufText } from '../../../shared/exposition/protobuf/protobuf-text.ts';
import {
  OPENMETRICS_EOF,
  renderOpenMetricsHeader,
  renderOpenMetricsSamples,
} from '../../../shared/exposition/openmetrics/render-openmetrics.ts';
import { renderHeader, renderSamples } from '../../../shared/exposition/text/render-text.ts';
import { parseHolding } from '../snapshot/parse-holding.ts';
import type { Snapshot } from '../snapshot/snapshot.ts';
import type { ScrapeFormat } from './negotiate.ts';
import { isInPartition, type Partition } from './scrape-partition.ts';

/** `own` are the gateway's own families; they come last. */
export function* renderScrape(
  snapshot: Snapshot,
  format: ScrapeFormat,
  escaping: EscapingScheme,
  partition: Partition,
  own: readonly Family[],
): Generator<Buffer> {
  const seen = new Set<string>();
  for (const held of [...exposedFamilies(snapshot, partition), ...own.map((family) => [family])]) {
    const [first, ...others] = held.map((family) => escapeFamilyNames(family, escaping));
    // Escaping can make two names equal, but a family may appear only once.
    if (first === undefined || seen.has(first.name)) continue;
    seen.add(first.name);
    yield renderFamily([first, ...others], format);
  }
  if (format === 'openmetrics') yield Buffer.from(OPENMETRICS_EOF);
}

/** Renders one family from what each group holds of it. */
export function renderFamily(held: readonly [Family, ...Family[]], format: ScrapeFormat): Buffer {
  const [{ name, help, type }] = held;
  switch (format) {
    case 'text':
      return Buffer.from(renderHeader(name, help, type) + held.map(renderSamples).join(''));
    case 'openmetrics':
      return Buffer.from(renderOpenMetricsHeader(name, help, type) + held.map(renderOpenMetricsSamples).join(''));
    case 'protobuf':
    case 'protobuf-text':
    case 'protobuf-compact-text': {
      const message = Buffer.concat([encodeFamilyHeader(name, help, type), ...held.map(encodeFamilyMetrics)]);
      return format === 'protobuf'
        ? Buffer.concat([encodeLength(message.length), message])
        : Buffer.from(protobufText(message, format === 'protobuf-compact-text'));
    }
    default:
      format satisfies never;
      return Buffer.alloc(0);
  }
}

/** For each family, what the groups of the partition hold of it, in the order of the exposition. */
function* exposedFamilies(snapshot: Snapshot, partition: Partition): Generator<Family[]> {
  for (const { holdings } of snapshot.families()) {
    yield [...holdings()]
      .filter(({ group, hidden }) => hidden === undefined && isInPartition(group.id, partition))
      .toSorted((a, b) => (a.group.order < b.group.order ? -1 : 1))
      .map((holding) => parseHolding(snapshot, holding));
  }
}
