/**
 * All groups in the order in which they are listed: by job (those without one last), then by the other labels, then by ID.
 *
 * Made when it is first asked for, and again only after a group has come or gone; what was sorted then needs not be sorted
 * once more.
 */
import type { LabelPair, Labels } from '../../../shared/model/metric-family.ts';
import { encodeLabels } from '../../../shared/model/group.ts';
import type { Snapshot, SnapshotGroup } from '../snapshot/snapshot.ts';
import { formatSelector } from '../../../shared/model/format-selector.ts';

export class ListedGroup {
  readonly group: SnapshotGroup;
  /** Its place in the order. Of no great length, whatever the labels are. */
  readonly key: string;
  #labels: Labels | undefined;
  #searched: string | undefined;

  constructor(group: SnapshotGroup) {
    this.group = group;
    this.key = keyOf(group);
  }

  /** Kept from the first selector on: all groups are asked for theirs by each. */
  get labels(): Labels {
    return (this.#labels ??= this.group.labels);
  }

  /** Its labels as they are shown, in lower case. */
  get searched(): string {
    this.#searched ??= formatSelector(jobFirst(this.group.labels)).toLowerCase();
    return this.#searched;
  }
}

/** By so much of their labels groups are ordered, beyond it by ID. */
const ORDERED_BY = 400;

export class GroupIndex {
  readonly #snapshot: Snapshot;
  #listed: readonly ListedGroup[] = [];
  readonly #known = new Set<SnapshotGroup>();
  #madeAt = -1;

  constructor(snapshot: Snapshot) {
    this.#snapshot = snapshot;
  }

  /** Must not be changed; stays as it is. */
  groups(): readonly ListedGroup[] {
    const { membership } = this.#snapshot;
    if (membership === this.#madeAt) return this.#listed;
    const stayed = this.#listed.filter(({ group }) => {
      const stays = this.#snapshot.get(group.id) === group;
      if (!stays) this.#known.delete(group);
      return stays;
    });
    const came: ListedGroup[] = [];
    for (const group of this.#snapshot.groups()) {
      if (this.#known.has(group)) continue;
      this.#known.add(group);
      came.push(new ListedGroup(group));
    }
    came.sort(byKey);
    // Two sorted runs: sorting only merges them.
    this.#listed = stayed.concat(came).toSorted(byKey);
    this.#madeAt = membership;
    return this.#listed;
  }
}

/** Index of the first group whose key is above `key`. */
export function firstAfter(groups: readonly ListedGroup[], key: string): number {
  let low = 0;
  let high = groups.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((groups[middle] as ListedGroup).key <= key) low = middle + 1;
    else high = middle;
  }
  return low;
}

function keyOf({ id, labels }: SnapshotGroup): string {
  const ordered = jobFirst(labels);
  const start = ordered[0]?.[0] === 'job' ? '0' : '1';
  // Without its brackets: fewer labels come before more.
  const encoded = encodeLabels(ordered).slice(1, -1);
  if (encoded.length <= ORDERED_BY) return `${start}${encoded} ${id}`;
  // Half of a character cannot be sent to a client and come back.
  return `${start}${encoded.slice(0, ORDERED_BY).replace(/[\ud800-\udbff]$/, '')} ${id}`;
}

/** As people read them. */
export function jobFirst(labels: Labels): Labels {
  const at = labels.findIndex(([name]) => name === 'job');
  return at <= 0 ? labels : [labels[at] as LabelPair, ...labels.slice(0, at), ...labels.slice(at + 1)];
}

function byKey(a: ListedGroup, b: ListedGroup): number {
  return a.key < b.key ? -1 : a.key > b.key ? 1 : 0;
}
