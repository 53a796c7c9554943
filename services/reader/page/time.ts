/** Points in time as the page shows them: how far away, and when exactly. */
import { markup, type Markup } from './markup.ts';

const UNITS: readonly (readonly [symbol: string, ms: number])[] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1_000],
];

/** The two largest units that say something: `3 min`, `1 h 5 min`, `0 s`. */
export function span(ms: number): string {
  const first = UNITS.findIndex(([, unitMs]) => ms >= unitMs);
  if (first === -1) return '0 s';
  let leftMs = ms;
  const parts: string[] = [];
  for (const [symbol, unitMs] of UNITS.slice(first, first + 2)) {
    const count = Math.floor(leftMs / unitMs);
    leftMs -= count * unitMs;
    if (count > 0) parts.push(`${count} ${symbol}`);
  }
  return parts.join(' ');
}

/** `2 min ago` or `in 2 min`, with the time itself when one asks for it. */
export function relative(atMs: number, nowMs: number): Markup {
  const text = atMs > nowMs ? `in ${span(atMs - nowMs)}` : `${span(nowMs - atMs)} ago`;
  return markup`<time datetime="${new Date(atMs).toISOString()}">${text}</time>`;
}

/** `2024-05-01 12:00:03 UTC`. */
export function absolute(atMs: number): string {
  return `${new Date(atMs).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}
