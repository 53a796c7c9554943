/**
 * What the tests lose to others who use the machine. Limits on time are for a gateway that runs: time in which it was ready to
 * run, and no CPU was free, does not count against it. Only Linux reports that; elsewhere all time counts.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { processTree } from './process-tags.ts';

/**
 * Begins to measure; each call of what it returns says for how long, since then, threads of these processes have waited for a
 * CPU, ms. Several at a time count several times. Default: this process and all that descend from it.
 */
export function cpuWaits(pids: readonly number[] = processTree(process.pid)): () => number {
  const before = waitsByThread(pids);
  return () => {
    let sum = 0;
    for (const [thread, ms] of waitsByThread(pids)) sum += ms - (before.get(thread) ?? 0);
    return sum;
  };
}

/** Each call returns the time since then, ms, without the time for which one of these processes has waited for a CPU. */
export function stopwatch(pids?: readonly number[]): () => number {
  const waited = cpuWaits(pids);
  const startedAt = performance.now();
  return () => performance.now() - startedAt - waited();
}

/** For how long, since some moment, anything on the machine has waited for a CPU or a disk, ms. */
export function pressureMs(): number {
  const totals = ['cpu', 'io'].map((what) => /^some .*total=(\d+)/.exec(read(`/proc/pressure/${what}`))?.[1] ?? 0);
  return totals.reduce((sum: number, us) => sum + Number(us) / 1_000, 0);
}

/** Its fields: ns on a CPU, ns waiting for one, number of time slices. */
function waitsByThread(pids: readonly number[]): Map<string, number> {
  const waits = new Map<string, number>();
  for (const pid of pids) {
    for (const thread of threadsOf(pid)) {
      const path = `/proc/${pid}/task/${thread}/schedstat`;
      waits.set(path, Number(read(path).split(' ')[1] ?? 0) / 1e6);
    }
  }
  return waits;
}

function threadsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return []; // it has ended, or this is not Linux
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
