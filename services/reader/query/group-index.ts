/**
 * All groups in the order in which they are listed: by job (groups without one last), then by the other labels, then by
 * ID. The index is built on first use, and updated on use after groups were added or removed.
 */
import type { LabelPair, Labels } from '../../../shared/model/metric-family.ts';
import { formatSelector } from '../../../shared/model/format-selector.ts';
import { encodeLabels } from '../../../shared/model/labels.ts';
import type { Snapshot, SnapshotGroup } from '../snapshot/snapshot.ts';

export class ListedGroup {
  readonly group: SnapshotGroup;
  /** Determines the place in the order. Of bounded length. */
  readonly key: string;
  #labels: Labels | undefined;
  #searchText: string | undefined;

  constructor(group: SnapshotGroup) {
    this.group = group;
    this.key = keyOf(group);
  }

  /** Cached, because each search with a selector reads the labels of all groups. */
  get labels(): Labels {
    return (this.#labels ??= this.group.labels);
  }

  /** The labels as they are displayed, in lower case. */
  get searchText(): string {
    return (this.#searchText ??= formatSelector(jobFirst(this.group.labels)).toLowerCase());
  }
}

/** Length of the encoded labels that determines the order; groups that are equal up to it are ordered by ID. */
const MAX_KEY_LABELS_LENGTH = 400;

export class GroupIndex {
  readonly #snapshot: Snapshot;
  #listed: readonly ListedGroup[] = [];
  readonly #known = new Set<SnapshotGroup>();
  /** `membership` of the snapshot at the last update. */
  #membership = -1;

  constructor(snapshot: Snapshot) {
    this.#snapshot = snapshot;
  }

  /** The same array until groups are added or removed; it is never modified. */
  groups(): readonly ListedGroup[] {
    const { membership } = this.#snapshot;
    if (membership === this.#membership) return this.#listed;
    const kept = this.#listed.filter(({ group }) => {
      const isKept = this.#snapshot.get(group.id) === group;
      if (!isKept) this.#known.delete(group);
      return isKept;
    });
    const added: ListedGroup[] = [];
    for (const group of this.#snapshot.groups()) {
      if (this.#known.has(group)) continue;
      this.#known.add(group);
      added.push(new ListedGroup(group));
    }
    added.sort(byKey);
    // Both arrays are sorted, and the sort merges such runs in linear time.
    this.#listed = kept.concat(added).toSorted(byKey);
    this.#membership = membership;
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
  // Without the brackets of the JSON array, so that fewer labels sort before more.
  const encoded = encodeLabels(ordered).slice(1, -1);
  if (encoded.length <= MAX_KEY_LABELS_LENGTH) return `${start}${encoded} ${id}`;
  // A key becomes a cursor, and half of a surrogate pair would not survive its encoding as UTF-8.
  return `${start}${encoded.slice(0, MAX_KEY_LABELS_LENGTH).replace(/[\ud800-\udbff]$/, '')} ${id}`;
}

/** The order in which labels are displayed. */
export function jobFirst(labels: Labels): Labels {
  const at = labels.findIndex(([name]) => name === 'job');
  return at <= 0 ? labels : [labels[at] as LabelPair, ...labels.slice(0, at), ...labels.slice(at + 1)];
}

function byKey(a: ListedGroup, b: ListedGroup): number {
  return a.key < b.key ? -1 : a.key > b.key ? 1 : 0;
}
