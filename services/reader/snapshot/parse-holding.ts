import type { Family } from '../../../shared/model/metric-family.ts';
import { parseText } from '../../../shared/exposition/text/parse-text.ts';
import { decodeProtobuf } from '../../../shared/exposition/protobuf/codec.ts';
import { renderHeader } from '../../../shared/exposition/text/render-text.ts';
import type { Holding } from './groups.ts';
import type { Snapshot } from './snapshot.ts';

/** Parses what a group holds of a family, for formats other than the text that the snapshot keeps. */
export function parseHolding(snapshot: Snapshot, holding: Holding): Family {
  const { name, type, help, exact } = holding;
  const families =
    exact.length > 0
      ? decodeProtobuf(exact, { utf8Names: true })
      : parseText(renderHeader(name, help, type) + snapshot.textOf(holding).toString(), { utf8Names: true });
  return families.get(name) ?? { name, help, type, metrics: [] };
}
