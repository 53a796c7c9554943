/**
 * All groups in the order in which they are listed: by job (groups without one last), then by the other labels, then by
 * ID. The index is built on first use, in slices, updated on use after groups were added or removed, and released when
 * it has not been used for a while.
 */
import { mergeInSlices, sortInSlices } from '../../../shared/async/sort-in-slices.ts';
import { Slices } from '../../../shared/async/time-slices.ts';
import type { LabelPair, Labels } from '../../../shared/model/metric-family.ts';
import { encodeLabels } from '../../../shared/model/labels.ts';
import type { Snapshot, SnapshotGroup } from '../snapshot/snapshot.ts';

export interface ListedGroup {
  readonly group: SnapshotGroup;
  /** Determines the place in the order. Of bounded length. */
  readonly key: string;
}

/** Length of the encoded labels that determines the order; groups that are equal up to it are ordered by ID. */
const MAX_KEY_LABELS_LENGTH = 400;
/** Time after which an index that is not used is released, ms. */
const UNUSED_MS = 60_000;
/** Length of a slice, ms. */
const SLICE_MS = 2;

export class GroupIndex {
  readonly #snapshot: Snapshot;
  #listed: readonly ListedGroup[] = [];
  readonly #known = new Set<SnapshotGroup>();
  /** `membership` of the snapshot when the last update began. */
  #membership = -1;
  #updates: Promise<unknown> = Promise.resolve();
  #usedMs = 0;

  constructor(snapshot: Snapshot) {
    this.#snapshot = snapshot;
  }

  /**
   * All groups at the time of the call or later; some may be gone again. The same array until groups are added or
   * removed; it is never modified.
   */
  async groups(): Promise<readonly ListedGroup[]> {
    const updated = this.#updates.then(async () => await this.#update());
    this.#updates = updated.catch(() => undefined);
    return await updated;
  }

  /** Releases an index that has not been used for UNUSED_MS. */
  expire(): void {
    if (performance.now() - this.#usedMs < UNUSED_MS) return;
    this.#membership = -1;
    this.#listed = [];
    this.#known.clear();
  }

  async #update(): Promise<readonly ListedGroup[]> {
    // Not released meanwhile.
    this.#usedMs = Infinity;
    await this.#read().finally(() => {
      this.#usedMs = performance.now();
    });
    return this.#listed;
  }

  async #read(): Promise<void> {
    const { membership } = this.#snapshot;
    if (membership === this.#membership) return;
    const slices = new Slices(SLICE_MS);
    const kept: ListedGroup[] = [];
    for (const one of this.#listed) {
      if (this.#snapshot.get(one.group.id) === one.group) kept.push(one);
      else this.#known.delete(one.group);
      if (slices.isOver) await slices.next();
    }
    const added: ListedGroup[] = [];
    for (const group of this.#snapshot.groups()) {
      if (!this.#known.has(group)) {
        this.#known.add(group);
        added.push({ group, key: keyOf(group) });
      }
      if (slices.isOver) await slices.next();
    }
    this.#listed = await mergeInSlices(kept, await sortInSlices(added, byKey, slices), byKey, slices);
    this.#membership = membership;
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
