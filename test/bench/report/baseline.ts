/**
 * Compares ratios with those of an earlier run (`make bench-check`). Both sides of a ratio were measured in the same
 * rounds on the same machine, so that only the code remains as a difference.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export interface Ratio {
  /** Section, a dot, and the name of the ratio. */
  readonly id: string;
  readonly what: string;
  /** Which way is better. */
  readonly better: 'lower' | 'higher';
  readonly value: number;
}

export interface Verdict {
  readonly id: string;
  readonly what: string;
  readonly baseline: number;
  /** NaN if it was not measured. */
  readonly now: number;
  /** Relative change for the worse; below 0 it became better. NaN if it is unknown. */
  readonly worseBy: number;
  readonly isWorse: boolean;
}

export const LIMIT = 0.15;

/** One verdict for each ratio of the baseline. Ratios that are not in the baseline are ignored; NaN counts as worse. */
export function judge(baseline: readonly Ratio[], measured: readonly Ratio[], limit: number = LIMIT): Verdict[] {
  const found = new Map(measured.map(({ id, value }) => [id, value]));
  return baseline.map(({ id, what, better, value }) => {
    const now = found.get(id) ?? Number.NaN;
    const change = now / value - 1;
    const worseBy = better === 'lower' ? change : -change;
    // Tolerates a rounding error: exactly 15 % is not more than 15 %.
    return { id, what, baseline: value, now, worseBy, isWorse: !(worseBy <= limit + 1e-9) };
  });
}

export function describe({ id, what, baseline, now, worseBy }: Verdict): string {
  if (Number.isNaN(now)) return `${id} (${what}): baseline ${baseline.toFixed(3)}, now not measured`;
  const change = `${Math.abs(worseBy * 100).toFixed(1)} % ${worseBy > 0 ? 'worse' : 'better'}`;
  return `${id} (${what}): baseline ${baseline.toFixed(3)}, now ${now.toFixed(3)}, ${change}`;
}

/** The sections with a ratio that became worse. */
export function sectionsOf(verdicts: readonly Verdict[]): string[] {
  return [...new Set(verdicts.filter(({ isWorse }) => isWorse).map(({ id }) => id.split('.', 1)[0] ?? id))];
}

interface Baseline {
  readonly measured: string;
  readonly ratios: readonly Ratio[];
}

const FILE = fileURLToPath(new URL('baseline.json', import.meta.url));

export function readBaseline(): readonly Ratio[] {
  if (!existsSync(FILE)) throw new Error('there is no baseline: make bench-baseline writes one');
  return (JSON.parse(readFileSync(FILE, 'utf8')) as Baseline).ratios;
}

/** Keeps the ratios of sections that were not measured. */
export function writeBaseline(ratios: readonly Ratio[], measured: string): void {
  const held = existsSync(FILE) ? readBaseline() : [];
  const sections = new Set(ratios.map(({ id }) => id.split('.', 1)[0]));
  const kept = held.filter(({ id }) => !sections.has(id.split('.', 1)[0]));
  const rounded = ratios.map((ratio) => ({ ...ratio, value: Number(ratio.value.toPrecision(4)) }));
  const baseline: Baseline = { measured, ratios: [...kept, ...rounded] };
  writeFileSync(FILE, `${JSON.stringify(baseline, null, 2)}\n`);
}
