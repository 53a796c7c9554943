/** What a group holds, for the lists of it. */
import type { Holding, KeptOut, SnapshotGroup } from '../snapshot/groups.ts';

/** Sorted by name. Without the push times, which every pushed group has. */
export function holdingsOf(group: SnapshotGroup): Holding[] {
  return [...group.holdings.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

export interface Counts {
  readonly families: number;
  /** Sample lines. */
  readonly series: number;
  /** Families that are kept out of /metrics. */
  readonly keptOut: number;
}

export function countsOf(group: SnapshotGroup): Counts {
  let [series, keptOut] = [0, 0];
  for (const { samples, reason } of group.holdings.values()) {
    series += samples;
    if (reason !== undefined) keptOut++;
  }
  return { families: group.holdings.size, series, keptOut };
}

/** Why a family of a group is not on /metrics. */
export const KEPT_OUT: Readonly<Record<KeptOut, string>> = {
  type: 'another group pushed this family before, as another type',
  duplicate: 'another group pushed the same series before',
  clash: 'its name is that of a series which a summary or a histogram in another family has',
};
