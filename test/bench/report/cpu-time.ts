import { readdirSync, readFileSync } from 'node:fs';
import { platform } from 'node:process';

const TICKS_PER_SECOND = 100; // sysconf(_SC_CLK_TCK), the same on every Linux

/** CPU seconds of the threads of a process, by thread ID; that of the main thread is the process ID. Linux only. */
export function cpuSeconds(pid: number): Map<number, number> {
  const found = new Map<number, number>();
  if (platform !== 'linux') return found;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    // After `1234 (any name) `, the first field is the state, and utime and stime are the 12th and 13th.
    const fields = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    found.set(Number(thread), (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND);
  }
  return found;
}

export function total(seconds: ReadonlyMap<number, number>): number {
  return [...seconds.values()].reduce((sum, one) => sum + one, 0);
}
