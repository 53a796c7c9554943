import { total, cpuSeconds } from '../report/cpu-time.ts';
import { ratios, spread } from '../report/spread.ts';
import type { Ratio } from '../report/baseline.ts';

/**
 * Starts the servers that it compares, measures in interleaved rounds, and returns the ratios. The caller stops the
 * servers.
 */
export type CheckSection = (rounds: number) => Promise<Ratio[]>;

/** CPU seconds of processes between two moments, by name. */
export async function cpuOf(pids: Readonly<Record<string, number>>, during: () => Promise<unknown>): Promise<Cpu> {
  const names = Object.keys(pids);
  const read = (name: string): number => total(cpuSeconds(pids[name] ?? 0));
  const before = new Map(names.map((name) => [name, read(name)]));
  await during();
  const used = new Map(names.map((name) => [name, read(name) - (before.get(name) ?? 0)]));
  return { of: (name) => used.get(name) ?? Number.NaN, all: total(new Map([...used.values()].entries())) };
}

export interface Cpu {
  readonly of: (name: string) => number;
  readonly all: number;
}

/** Measured values by name, one per round. */
export class Rounds {
  readonly #values = new Map<string, number[]>();

  add(name: string, value: number): void {
    const held = this.#values.get(name);
    if (held === undefined) this.#values.set(name, [value]);
    else held.push(value);
  }

  /** Median of the quotients of all rounds. */
  ratio(id: string, what: string, one: string, other: string): Ratio {
    const { median, min, max } = ratios(this.#of(one), this.#of(other));
    console.log(`  ${id}: ${median.toFixed(3)} (${min.toFixed(3)} – ${max.toFixed(3)})`);
    return { id, what, better: 'lower', value: median };
  }

  median(name: string): number {
    return spread(this.#of(name)).median;
  }

  #of(name: string): readonly number[] {
    return this.#values.get(name) ?? [];
  }
}
