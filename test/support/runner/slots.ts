/**
 * How many test files run at once on this machine, whichever run they belong to: several runs share the processors, and what
 * they measure stays true. A file has a slot while it listens on the slot's port, which the kernel gives to one process only
 * and takes back when that dies.
 */
import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { listenOn } from '../process/ports.ts';

/** Files wait most of the time, for processes to start or for timeouts, so there are more of them than processors. */
export const SLOTS = Math.min(8, 2 * availableParallelism());

/** Below the ports of the tests. */
const FIRST_PORT = 11_900;
const LOCK_PORTS = { maven: 11_899 } as const;
const POLL_INTERVAL_MS = 50;
/** Wait after which it is reported, ms. */
const SILENT_MS = 60_000;

/** Waits for a slot; the function returned gives it back. */
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

/** Runs `fn` while no other test on this machine does what goes by this name. */
export async function alone<T>(name: keyof typeof LOCK_PORTS, fn: () => Promise<T>): Promise<T> {
  for (;;) {
    const lock = await listenOn(LOCK_PORTS[name]);
    if (lock === undefined) await sleep(POLL_INTERVAL_MS);
    else return fn().finally(() => lock.close());
  }
}
