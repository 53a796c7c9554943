import type { Figure } from '../report/results.ts';
import type { Shape } from '../load/workload.ts';

/** Extent of the measurements. `short` gives an impression; published figures should be `full`. */
export interface Size {
  readonly name: 'short' | 'full';
  /** Rounds, in each of which all compared systems take a turn. */
  readonly rounds: number;
  readonly seconds: number;
  readonly warmUpSeconds: number;
  /** Scrapes per turn. */
  readonly scrapes: number;
  /** Numbers of stored groups, for the section `growth`. */
  readonly groups: readonly number[];
}

export const SIZES: readonly Size[] = [
  { name: 'short', rounds: 3, seconds: 4, warmUpSeconds: 3, scrapes: 5, groups: [1, 100, 1_000, 10_000, 100_000] },
  { name: 'full', rounds: 7, seconds: 10, warmUpSeconds: 8, scrapes: 15, groups: [1, 100, 1_000, 10_000, 100_000] },
];

/** Starts the servers that it compares, measures, and returns its rows of the table. The caller stops the servers. */
export type Section = (size: Size, shape: Shape) => Promise<Figure[]>;
