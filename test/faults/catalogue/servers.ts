import { eventually } from '../../support/eventually.ts';
import { SHAPES } from '../harness/fleet.ts';
import { TOPOLOGIES, type Topology } from '../harness/backend.ts';
import type { Fault } from '../harness/scenario.ts';

// A Redis server dies or hangs, and returns; with replicas, as a stale master.

const REPLICATED: readonly Topology[] = ['sentinel', 'cluster'];

const killedMaster: Fault = {
  name: 'SIGKILL of the Redis master',
  topologies: TOPOLOGIES,
  shapes: SHAPES,
  run: async ({ backend, hold }) => {
    const master = await backend.master();
    await master.kill();
    if (backend.topology === 'single') await hold();
    else await backend.replaced(master);
    await master.restart();
    await backend.whole();
  },
  allows: { backwards: true },
};

const frozenMaster: Fault = {
  name: 'Redis master frozen, coming back as a stale one',
  topologies: REPLICATED,
  shapes: SHAPES,
  run: async ({ backend, hold }) => {
    const master = await backend.master();
    master.pause();
    try {
      await backend.replaced(master);
      await hold(1_000);
    } finally {
      master.resume();
    }
    await backend.whole();
  },
  allows: { backwards: true },
};

const frozenServer: Fault = {
  name: 'Redis frozen',
  topologies: ['single'],
  shapes: SHAPES,
  run: async ({ backend, hold }) => {
    const server = await backend.master();
    server.pause();
    await hold();
    server.resume();
  },
};

/** Longer than the limit of silence on a connection, which is then closed with everything in flight. */
const frozenForLong: Fault = {
  ...frozenServer,
  name: 'Redis frozen for 8 s, longer than connections are held',
  run: async ({ backend, hold }) => {
    const server = await backend.master();
    server.pause();
    await hold(8_000);
    server.resume();
  },
};

/** The first Sentinel in the list of every gateway. It accepts connections, but does not answer. */
const frozenSentinel: Fault = {
  name: 'SIGKILL of the Redis master while a Sentinel hangs',
  topologies: ['sentinel'],
  shapes: SHAPES,
  run: async ({ backend, workload, hold }) => {
    const master = await backend.master();
    const [first] = backend.sentinels ?? [];
    if (first === undefined) throw new Error('there is no Sentinel');
    first.signal('SIGSTOP');
    await master.kill();
    await backend.replaced(master);
    const replacedMs = Date.now();
    const isThrough = () =>
      workload.pushes.filter(({ fate, sentMs }) => fate === 'ok' && sentMs > replacedMs).length > 50;
    await eventually(isThrough, { timeoutMs: 15_000, what: 'pushes to the new master, past the Sentinel that hangs' });
    await hold();
    first.signal('SIGCONT');
    await master.restart();
    await backend.whole();
  },
  allows: { backwards: true },
};

export const serverFaults: readonly Fault[] = [killedMaster, frozenMaster, frozenServer, frozenForLong, frozenSentinel];
