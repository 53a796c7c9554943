/**
 * The snapshot as a stream of delimited MetricFamily messages: what a scrape gets that can read native histograms.
 * Family by family, so that a large snapshot does not hold up the rest.
 */
import { encodeFamilyHeader, encodeFamilyMetrics, encodeLength } from '../../shared/exposition/protobuf-codec.ts';
import type { Snapshot } from '../../shared/state/snapshot.ts';
import { familyOf } from './family-of.ts';

export function* protobufScrape(snapshot: Snapshot): Generator<Buffer> {
  for (const { name, entry } of snapshot.families()) {
    const shown = [...entry.holdings()].filter(({ hidden }) => hidden === undefined);
    const [first] = shown.toSorted((a, b) => (a.group.order < b.group.order ? -1 : 1));
    if (first === undefined) continue;
    const parts = [encodeFamilyHeader(name, first.record.help, first.record.type)];
    for (const holding of shown) parts.push(encodeFamilyMetrics(familyOf(snapshot, name, holding)));
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    yield Buffer.concat([encodeLength(length), ...parts]);
  }
}
