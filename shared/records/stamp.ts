/**
 * A stamp orders the pushes of one shard: the stream ID that a push has in the log, written by merge.lua with a fixed
 * width, so that stamps compare as strings.
 *
 *     stream ID   1700000000000-7
 *     stamp       01700000000000-0000000007
 */
export type Stamp = string;

const MS_DIGITS = 14;

/** When the push was appended to the log (clock of Redis), ms since the epoch. */
export function stampMs(stamp: Stamp): number {
  return Number(stamp.slice(0, MS_DIGITS));
}
