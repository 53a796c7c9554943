/**
 * A stamp orders the pushes of one shard: the stream ID that the log gave a push, written with a fixed width, so that
 * stamps compare as strings in JavaScript and in Lua.
 *
 *     stream ID   1700000000000-7
 *     stamp       01700000000000-0000000007
 */
export type Stamp = string;

const MS_DIGITS = 14;
const SEQUENCE_DIGITS = 10;

export const STAMP_LENGTH = MS_DIGITS + 1 + SEQUENCE_DIGITS;

export function stampOf(streamId: string): Stamp {
  const dash = streamId.indexOf('-');
  return `${streamId.slice(0, dash).padStart(MS_DIGITS, '0')}-${streamId.slice(dash + 1).padStart(SEQUENCE_DIGITS, '0')}`;
}

/** Milliseconds since the epoch at which the log took the push (the clock of Redis). */
export function stampMs(stamp: Stamp): number {
  return Number(stamp.slice(0, MS_DIGITS));
}

/** Stream IDs written as Redis gives them, compared as the log orders them. */
export function compareStreamIds(a: string, b: string): number {
  const x = stampOf(a);
  const y = stampOf(b);
  return x < y ? -1 : x > y ? 1 : 0;
}
