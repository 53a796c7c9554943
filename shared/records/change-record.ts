/**
 * What merge.lua tells of a batch, as an entry of `changes`:
 *
 *     pushes     ID:OUTCOME of each push, separated by spaces
 *     groups     IDs of all groups that changed, separated by spaces
 *     families   only if there is something to say: for each of these groups that has many families of which few changed, its ID, how many,
 *                and their names; packed (packed-strings.ts), for a name may have any character
 *
 * A group that is not in `families` may have changed in any way. One that is there was changed by POSTs, or by failures: its other
 * families are as they were, but for those that expired.
 */
import type { Outcome } from './push.ts';
import { outcomeOf } from './outcome.ts';
import { unpackStrings } from './packed-strings.ts';

export type ChangeEntries = [id: string, fields: string[]][];

export interface ShardChanges {
  /** Groups of which anything may have changed. */
  readonly groupIds: ReadonlySet<string>;
  /** Other groups, with the names of all their families that may have changed. */
  readonly families: ReadonlyMap<string, ReadonlySet<string>>;
  /** Stream ID of the last entry that told of them; '' = nothing told of them. */
  readonly newest: string;
  readonly outcomes: ReadonlyMap<string, Outcome>;
}

/** What entries that follow one another say together. */
export function decodeChanges(entries: ChangeEntries): ShardChanges {
  const groupIds = new Set<string>();
  const families = new Map<string, Set<string>>();
  const outcomes = new Map<string, Outcome>();
  for (const [, [, pushes = '', , groups = '', , packed]] of entries) {
    for (const push of pushes.split(' ')) {
      const colon = push.lastIndexOf(':');
      const outcome = outcomeOf(push.slice(colon + 1));
      if (colon > 0 && outcome !== undefined) outcomes.set(push.slice(0, colon), outcome);
    }
    const named = packed === undefined ? undefined : familiesIn(packed);
    for (const id of groups.split(' ')) {
      if (id === '' || groupIds.has(id)) continue;
      const names = named?.get(id);
      const known = families.get(id);
      if (names === undefined) {
        groupIds.add(id);
        families.delete(id);
      } else if (known === undefined) families.set(id, new Set(names));
      else for (const name of names) known.add(name);
    }
  }
  return { groupIds, families, newest: entries.at(-1)?.[0] ?? '', outcomes };
}

/** None where it cannot be read: then anything may have changed. */
function familiesIn(packed: string): Map<string, readonly string[]> {
  const families = new Map<string, readonly string[]>();
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
