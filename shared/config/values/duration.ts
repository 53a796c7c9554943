/**
 * Durations as Go writes them (https://pkg.go.dev/time#ParseDuration), held as milliseconds.
 *
 *   duration = [sign] ( "0" | term { term } )
 *   term     = digits [ "." [digits] ] unit | "." digits unit
 *   unit     = "ns" | "us" | "µs" | "ms" | "s" | "m" | "h"
 *
 * The terms are added in whole nanoseconds, as in Go, so that `0.1ms` and `100us` are the same number.
 */
const NS_PER_UNIT: ReadonlyMap<string, bigint> = new Map([
  ['ns', 1n],
  ['us', 1_000n],
  ['\u00b5s', 1_000n], // micro sign
  ['\u03bcs', 1_000n], // Greek letter mu
  ['ms', 1_000_000n],
  ['s', 1_000_000_000n],
  ['m', 60_000_000_000n],
  ['h', 3_600_000_000_000n],
]);

const DURATION = /^([+-]?)((?:(?:\d+\.?\d*|\.\d+)(?:ns|us|\u00b5s|\u03bcs|ms|s|m|h))+)$/;
const TERM = /(\d*)\.?(\d*)(ns|us|\u00b5s|\u03bcs|ms|s|m|h)/g;

/** Limits the work on untrusted input, in characters. */
const MAX_LENGTH = 100;
/** Go's Duration is an int64 of nanoseconds: 292 years. */
const MAX_NS = 2n ** 63n - 1n;

export const DURATION_HINT =
  'a duration such as 250ms, 30s, 5m or 1h30m (units: ns, us, ms, s, m, h; at most 2562047h, 292 years)';

/** Milliseconds, possibly fractional or negative; undefined if the text is not a duration. */
export function readDuration(text: string): number | undefined {
  if (text.length > MAX_LENGTH) return undefined;
  if (/^[+-]?0$/.test(text)) return 0;
  const whole = DURATION.exec(text);
  if (whole === null) return undefined;
  let ns = 0n;
  for (const [, integer = '', fraction = '', unit = ''] of (whole[2] ?? '').matchAll(TERM)) {
    const scale = NS_PER_UNIT.get(unit) ?? 0n;
    ns += BigInt(integer || 0) * scale + (BigInt(fraction || 0) * scale) / 10n ** BigInt(fraction.length);
  }
  if (ns > MAX_NS) return undefined;
  const ms = Number(ns / 1_000_000n) + Number(ns % 1_000_000n) / 1e6;
  return whole[1] === '-' && ms !== 0 ? -ms : ms;
}

/** As Go's Duration.String prints it: `5m0s`, `1h30m0s`, `1.5s`, `250ms`, `0s`. */
export function formatDuration(ms: number): string {
  const wholeMs = Math.trunc(ms);
  // Split first, because ms * 1e6 exceeds 2^53 after 104 days.
  const signed = BigInt(wholeMs) * 1_000_000n + BigInt(Math.round((ms - wholeMs) * 1e6));
  if (signed === 0n) return '0s';
  const sign = signed < 0n ? '-' : '';
  const ns = signed < 0n ? -signed : signed;
  if (ns < 1_000n) return `${sign}${ns}ns`;
  if (ns < 1_000_000n) return `${sign}${decimal(ns, 3)}\u00b5s`;
  if (ns < 1_000_000_000n) return `${sign}${decimal(ns, 6)}ms`;
  const minutes = ns / 60_000_000_000n;
  const seconds = `${decimal(ns % 60_000_000_000n, 9)}s`;
  if (minutes === 0n) return `${sign}${seconds}`;
  if (minutes < 60n) return `${sign}${minutes}m${seconds}`;
  return `${sign}${minutes / 60n}h${minutes % 60n}m${seconds}`;
}

/** `value / 10^places` without trailing zeros. */
function decimal(value: bigint, places: number): string {
  const scale = 10n ** BigInt(places);
  const fraction = String(value % scale)
    .padStart(places, '0')
    .replace(/0+$/, '');
  return fraction === '' ? String(value / scale) : `${value / scale}.${fraction}`;
}
