/**
 * What merge.lua writes about a batch, as an entry of the stream `changes`:
 *
 *     pushes     ID:OUTCOME of each push, separated by spaces; OUTCOME is a letter (outcome.ts)
 *     groups     IDs of all groups that changed, separated by spaces
 *     families   optional, packed strings (packed-strings.ts): for each of these groups with many families of which few
 *                changed, its ID, the number of changed families, their names
 *
 * A group that is not in `families` may have changed in any way. One that is there was changed by POSTs or failed
 * pushes only: its other families are unchanged, except that some may have expired.
 */
import type { Outcome } from './push.ts';
import { outcomeOf } from './outcome.ts';
import { unpackStrings } from './packed-strings.ts';

export interface ChangeEntry {
  /** Stream ID. */
  readonly id: string;
  readonly fields: ReadonlyMap<string, string>;
}

export interface ShardChanges {
  /** Groups of which anything may have changed. */
  readonly groupIds: ReadonlySet<string>;
  /** Other groups, with the names of all their families that may have changed. */
  readonly families: ReadonlyMap<string, ReadonlySet<string>>;
  /** Stream ID of the last entry; '' if there is none. */
  readonly newest: string;
  readonly outcomes: PushOutcomes;
  /** Outcomes that this version does not know, as written. */
  readonly unknownOutcomes: ReadonlySet<string>;
}

/** By push ID. Undefined for an outcome that this version does not know: the push is settled, but how is unknown. */
export type PushOutcomes = ReadonlyMap<string, Outcome | undefined>;

/** Entries that follow one another, taken together. */
export function decodeChanges(entries: readonly ChangeEntry[]): ShardChanges {
  const groupIds = new Set<string>();
  const families = new Map<string, Set<string>>();
  const outcomes = new Map<string, Outcome | undefined>();
  const unknownOutcomes = new Set<string>();
  for (const { fields } of entries) {
    for (const push of fields.get('pushes')?.split(' ') ?? []) {
      const colon = push.lastIndexOf(':');
      if (colon <= 0) continue;
      const letter = push.slice(colon + 1);
      const outcome = outcomeOf(letter);
      outcomes.set(push.slice(0, colon), outcome);
      if (outcome === undefined) unknownOutcomes.add(letter);
    }
    const named = familiesIn(fields.get('families'));
    for (const id of fields.get('groups')?.split(' ') ?? []) {
      if (id === '' || groupIds.has(id)) continue;
      const names = named.get(id);
      const known = families.get(id);
      if (names === undefined) {
        groupIds.add(id);
        families.delete(id);
      } else if (known === undefined) families.set(id, new Set(names));
      else for (const name of names) known.add(name);
    }
  }
  return { groupIds, families, newest: entries.at(-1)?.id ?? '', outcomes, unknownOutcomes };
}

/** Empty if it cannot be read: then anything may have changed. */
function familiesIn(packed: string | undefined): Map<string, readonly string[]> {
  const families = new Map<string, readonly string[]>();
  if (packed === undefined) return families;
  try {
    const strings = unpackStrings(Buffer.from(packed)).map(String);
    for (let at = 0; at < strings.length;) {
      const first = at + 2;
      at = first + Number(strings[first - 1]);
      families.set(strings[first - 2] ?? '', strings.slice(first, at));
    }
    return families;
  } catch {
    return new Map();
  }
}
