/** What lists and pages show of a group, without its push times. */
import type { Holding, SnapshotGroup } from '../snapshot/groups.ts';

export interface GroupCounts {
  readonly families: number;
  /** Number of sample lines. */
  readonly series: number;
  /** Number of families that are kept out of /metrics. */
  readonly keptOut: number;
}

export function countsOf(group: SnapshotGroup): GroupCounts {
  let [series, keptOut] = [0, 0];
  for (const { samples, reason } of group.holdings.values()) {
    series += samples;
    if (reason !== undefined) keptOut++;
  }
  return { families: group.holdings.size, series, keptOut };
}

/** Number of families that are sorted at once. */
const MAX_SORTED = 5_000;

/** Sorted by name; those of a group with more than MAX_SORTED families in the order in which they came. */
export function sortedHoldings(group: SnapshotGroup): Holding[] {
  const holdings = [...group.holdings.values()];
  return holdings.length > MAX_SORTED ? holdings : holdings.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** Whether the last push to the group failed. */
export function hasFailed({ record }: SnapshotGroup): boolean {
  return record.failedMs > record.pushedMs;
}
