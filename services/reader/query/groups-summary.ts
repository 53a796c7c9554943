/** What a group holds, for the lists of it. */
import { isPushTime } from '../snapshot/push-times.ts';
import type { Holding, KeptOut, SnapshotGroup } from '../snapshot/snapshot-group.ts';

/** Sorted by name. Without the push times, which every pushed group has, unless there is something to tell of them. */
export function holdingsOf(group: SnapshotGroup): Holding[] {
  return [...group.holdings.values()]
    .filter((holding) => isListed(holding))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

export interface Counts {
  readonly families: number;
  /** Sample lines. */
  readonly series: number;
  /** Families that are kept out of /metrics. */
  readonly keptOut: number;
}

export function countsOf(group: SnapshotGroup): Counts {
  let [families, series, keptOut] = [0, 0, 0];
  for (const holding of group.holdings.values()) {
    if (!isListed(holding)) continue;
    families++;
    series += holding.samples;
    if (holding.reason !== undefined) keptOut++;
  }
  return { families, series, keptOut };
}

function isListed({ name, group, reason }: Holding): boolean {
  return group.record.kind !== 'push' || !isPushTime(name) || reason !== undefined;
}

/** Why a family of a group is not on /metrics. */
export const KEPT_OUT: Readonly<Record<KeptOut, string>> = {
  type: 'another group pushed this family before, as another type',
  duplicate: 'another group pushed the same series before',
  clash: 'its name is that of a series which a summary or a histogram in another family has',
};
