/** Durations and points in time as the page shows them. */
import { markup, type Markup } from './markup.ts';

const UNITS: readonly (readonly [symbol: string, ms: number])[] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1_000],
];

/** The two largest units that are not 0: `3 min`, `1 h 5 min`, `0 s`. */
export function formatSpan(ms: number): string {
  const first = UNITS.findIndex(([, unitMs]) => ms >= unitMs);
  if (first === -1) return '0 s';
  let leftMs = ms;
  const terms: string[] = [];
  for (const [symbol, unitMs] of UNITS.slice(first, first + 2)) {
    const count = Math.floor(leftMs / unitMs);
    leftMs -= count * unitMs;
    if (count > 0) terms.push(`${count} ${symbol}`);
  }
  return terms.join(' ');
}

/** `2 min ago` or `in 2 min`. */
export function relativeTime(atMs: number, nowMs: number): Markup {
  const text = atMs > nowMs ? `in ${formatSpan(atMs - nowMs)}` : `${formatSpan(nowMs - atMs)} ago`;
  return markup`<time datetime="${new Date(atMs).toISOString()}">${text}</time>`;
}

/** `2024-05-01 12:00:03 UTC`. */
export function absoluteTime(atMs: number): string {
  return `${new Date(atMs).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

/** `2 min ago 2024-05-01 12:00:03 UTC`. */
export function timeWithDate(atMs: number, nowMs: number): Markup {
  return markup`${relativeTime(atMs, nowMs)} <small>${absoluteTime(atMs)}</small>`;
}
