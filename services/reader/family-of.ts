/** A family of a group as data again, for what is not served as text. */
import type { Family } from '../../shared/exposition/model.ts';
import { parseText } from '../../shared/exposition/parse-text.ts';
import { renderHeader } from '../../shared/exposition/render-text.ts';
import type { Snapshot, SnapshotGroup } from '../../shared/state/snapshot.ts';

type Holding = SnapshotGroup['holdings'] extends ReadonlyMap<string, infer H> ? H : never;

export function familyOf(snapshot: Snapshot, name: string, holding: Holding): Family {
  const { type, help } = holding.record;
  const text = renderHeader(name, help, type) + snapshot.textOf(name, holding).toString();
  return parseText(text, { utf8Names: true }).get(name) ?? { name, help, type, metrics: [] };
}
