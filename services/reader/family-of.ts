/** A family of a group as data again, for what is not served as text. */
import type { Family } from '../../shared/exposition/model.ts';
import { parseText } from '../../shared/exposition/parse-text.ts';
import { decodeProtobuf } from '../../shared/exposition/protobuf-codec.ts';
import { renderHeader } from '../../shared/exposition/render-text.ts';
import type { Holding } from '../../shared/state/snapshot-group.ts';
import type { Snapshot } from '../../shared/state/snapshot.ts';

export function familyOf(snapshot: Snapshot, name: string, holding: Holding): Family {
  const { type, help, exact } = holding;
  const families =
    exact.length > 0
      ? decodeProtobuf(exact, { utf8Names: true })
      : parseText(renderHeader(name, help, type) + snapshot.textOf(name, holding).toString(), { utf8Names: true });
  return families.get(name) ?? { name, help, type, metrics: [] };
}
