/**
 * Limits the number of test files that run at the same time on this machine, over all runs, so that several runs share
 * the processors and what they measure stays valid. A file has a slot while it listens on the port of the slot, which
 * the kernel gives to one process only and frees when the process ends.
 */
import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { listenOn } from '../process/ports.ts';

/** More than the number of processors, because files mostly wait for processes to start or for timeouts. */
export const SLOTS = Math.min(8, 2 * availableParallelism());

/** Below the ports of the tests. */
const FIRST_PORT = 11_900;
const LOCK_PORTS = { maven: 11_899 } as const;
const POLL_INTERVAL_MS = 50;
/** Time after which a wait is logged, ms. */
const SILENT_MS = 60_000;

/** Waits for a slot. The returned function releases it. */
export async function takeSlot(): Promise<() => Promise<void>> {
  for (let waitedMs = 0; ; waitedMs += POLL_INTERVAL_MS) {
    for (let slot = 0; slot < SLOTS; slot++) {
      const lock = await listenOn(FIRST_PORT + slot);
      if (lock !== undefined) return async () => new Promise((done) => lock.close(() => done()));
    }
    if (waitedMs === SILENT_MS) console.log('waiting for other test runs on this machine');
    await sleep(POLL_INTERVAL_MS);
  }
}

/** Runs `fn` while no other test on this machine runs a function under the same name. */
export async function alone<T>(name: keyof typeof LOCK_PORTS, fn: () => Promise<T>): Promise<T> {
  for (;;) {
    const lock = await listenOn(LOCK_PORTS[name]);
    if (lock === undefined) await sleep(POLL_INTERVAL_MS);
    else return fn().finally(() => lock.close());
  }
}
