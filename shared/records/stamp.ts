/**
 * A stamp orders the pushes of one shard: the stream ID that the log gave a push, written with a fixed width by
 * merge.lua, so that stamps compare as strings.
 *
 *     stream ID   1700000000000-7
 *     stamp       01700000000000-0000000007
 */
export type Stamp = string;

const MS_DIGITS = 14;

/** Milliseconds since the epoch at which the log took the push (the clock of Redis). */
export function stampMs(stamp: Stamp): number {
  return Number(stamp.slice(0, MS_DIGITS));
}
