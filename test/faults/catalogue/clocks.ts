import { SHAPES } from '../harness/fleet.ts';
import { startBackend } from '../harness/backend.ts';
import { Clock, missingForClock, requireOffset } from '../harness/clock.ts';
import type { Fault } from '../harness/scenario.ts';

// The clock of a server is wrong, or is corrected.

const BEHIND_S = 30;

/** A promoted master whose clock is 30 s behind would repeat stream IDs if they did not continue from the last one. */
const clockBehind: Fault = {
  name: `SIGKILL of the Redis master, the promoted one's clock ${BEHIND_S} s behind`,
  topologies: ['sentinel', 'cluster'],
  shapes: SHAPES,
  missing: missingForClock,
  startBackend: async (topology) => {
    const { env } = await Clock.build(-BEHIND_S);
    const backend = await startBackend(topology, { replicaEnv: env });
    for (const node of backend.nodes) await requireOffset(node, (await node.info('role')) === 'master' ? 0 : -BEHIND_S);
    return backend;
  },
  run: async ({ backend, hold }) => {
    const master = await backend.master();
    await master.kill();
    await backend.replaced(master);
    await hold(1_000);
    await master.restart();
    await backend.whole();
  },
  allows: { backwards: true },
};

/** Of the server of the next fault. */
let clock: Clock | undefined;

/** Affects expirations, timeouts of blocking reads and stream IDs. */
const clockSteps: Fault = {
  name: `clock of a single server stepping ${BEHIND_S} s back, and forward again`,
  topologies: ['single'],
  shapes: SHAPES,
  missing: missingForClock,
  startBackend: async (topology) => {
    clock = await Clock.build(0);
    return await startBackend(topology, { env: clock.env });
  },
  run: async ({ backend, hold }) => {
    const server = await backend.master();
    for (const offsetS of [-BEHIND_S, 0]) {
      clock?.step(offsetS);
      await requireOffset(server, offsetS);
      await hold();
    }
  },
};

export const clockFaults: readonly Fault[] = [clockBehind, clockSteps];
