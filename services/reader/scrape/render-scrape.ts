/**
 * The snapshot in a form that is not kept ready: protobuf (which can say native histograms), OpenMetrics, or text with its
 * names escaped. Family by family, from what the groups hold. Units are left out: the official gateway loses them on the way.
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
import type { Snapshot } from '../snapshot/snapshot.ts';
import { familyOf } from '../query/family-of.ts';
import type { ScrapeFormat } from './negotiate.ts';
import { isInPartition, type Partition } from './scrape-partition.ts';

/** `own` are the gateway's own families, if they are to be shown; they come last. */
export function* renderScrape(
  snapshot: Snapshot,
  format: ScrapeFormat,
  escaping: EscapingScheme,
  part: Partition,
  own: readonly Family[],
): Generator<Buffer> {
  const seen = new Set<string>();
  for (const parts of [...shownFamilies(snapshot, part), ...own.map((family) => [family])]) {
    const [first, ...others] = parts.map((family) => escapeFamilyNames(family, escaping));
    // Two names can be the same when they are escaped, and a family can be there only once.
    if (first === undefined || seen.has(first.name)) continue;
    seen.add(first.name);
    yield renderFamily([first, ...others], format);
  }
  if (format === 'openmetrics') yield Buffer.from(OPENMETRICS_EOF);
}

export function renderFamily(parts: readonly [Family, ...Family[]], format: ScrapeFormat): Buffer {
  const [{ name, help, type }] = parts;
  switch (format) {
    case 'text':
      return Buffer.from(renderHeader(name, help, type) + parts.map(renderSamples).join(''));
    case 'openmetrics':
      return Buffer.from(renderOpenMetricsHeader(name, help, type) + parts.map(renderOpenMetricsSamples).join(''));
    case 'protobuf':
    case 'protobuf-text':
    case 'protobuf-compact-text': {
      const message = Buffer.concat([encodeFamilyHeader(name, help, type), ...parts.map(encodeFamilyMetrics)]);
      return format === 'protobuf'
        ? Buffer.concat([encodeLength(message.length), message])
        : Buffer.from(protobufText(message, format === 'protobuf-compact-text'));
    }
    default:
      format satisfies never;
      return Buffer.alloc(0);
  }
}

/** What the groups hold of each family that is shown, in the order of the exposition. */
function* shownFamilies(snapshot: Snapshot, part: Partition): Generator<Family[]> {
  for (const { name, holdings } of snapshot.families()) {
    yield [...holdings()]
      .filter(({ group, hidden }) => hidden === undefined && isInPartition(group.id, part))
      .toSorted((a, b) => (a.group.order < b.group.order ? -1 : 1))
      .map((holding) => familyOf(snapshot, name, holding));
  }
}
