/**
 * Measures the time that tests lose to other load on the machine. Time limits apply to a running gateway: time in which
 * it was ready to run while no CPU was free does not count. Only Linux reports that time; on other systems all time
 * counts.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { processTree } from './process-tags.ts';

/**
 * Starts a measurement. Each call of the returned function returns for how long threads of these processes have since
 * waited for a CPU, ms, added over all threads. Default: this process and its descendants.
 */
export function cpuWaits(pids: readonly number[] = processTree(process.pid)): () => number {
  const before = waitsByThread(pids);
  return () => {
    let sum = 0;
    for (const [thread, ms] of waitsByThread(pids)) sum += ms - (before.get(thread) ?? 0);
    return sum;
  };
}

/** Each call returns the elapsed time, ms, without the time for which one of these processes has waited for a CPU. */
export function stopwatch(pids?: readonly number[]): () => number {
  const waited = cpuWaits(pids);
  const startedAt = performance.now();
  return () => performance.now() - startedAt - waited();
}

/** Counter of the time for which any process on the machine has waited for a CPU or a disk, ms. */
export function pressureMs(): number {
  const totals = ['cpu', 'io'].map((what) => /^some .*total=(\d+)/.exec(read(`/proc/pressure/${what}`))?.[1] ?? 0);
  return totals.reduce((sum: number, us) => sum + Number(us) / 1_000, 0);
}

/** Fields: ns on a CPU, ns waiting for one, number of time slices. */
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
