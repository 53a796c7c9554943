import type { Figure } from '../report/results.ts';
import type { Shape } from '../load/workload.ts';

/** How much is measured. `short` shows that it works and where it stands; what is published is `full`. */
export interface Size {
  readonly name: 'short' | 'full';
  /** Rounds in which all that is compared takes its turn. */
  readonly rounds: number;
  readonly seconds: number;
  readonly warmUpSeconds: number;
  /** Scrapes in one turn. */
  readonly scrapes: number;
  /** Of stored groups, for what is measured over their number. */
  readonly groups: readonly number[];
}

export const SIZES: readonly Size[] = [
  { name: 'short', rounds: 3, seconds: 4, warmUpSeconds: 3, scrapes: 5, groups: [1, 100, 1_000, 10_000, 100_000] },
  { name: 'full', rounds: 7, seconds: 10, warmUpSeconds: 8, scrapes: 15, groups: [1, 100, 1_000, 10_000, 100_000] },
];

/** Starts what it compares, measures, and returns its rows of the table. What it started is ended for it. */
export type Section = (size: Size, shape: Shape) => Promise<Figure[]>;
