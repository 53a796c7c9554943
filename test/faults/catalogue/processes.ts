import type { Gateway, Role } from '../../support/servers/gateway.ts';
import { SHAPES, type Fleet, type Member, type Shape } from '../harness/fleet.ts';
import { TOPOLOGIES } from '../harness/backend.ts';
import type { Fault } from '../harness/scenario.ts';

// A process of the gateway dies, freezes or is replaced.

const START_TIMEOUT_MS = 60_000;
const ROLES: readonly Role[] = ['ingest', 'worker', 'reader', 'all'];

function victim(fleet: Fleet, role: Role): Member {
  return fleet.one(role === 'all' ? 'ingest' : role);
}

function shapesOf(role: Role): readonly Shape[] {
  return role === 'all' ? ['all'] : ['split'];
}

async function comeBack(gateway: Gateway): Promise<void> {
  await gateway.restart();
  await gateway.waitUntilReady(START_TIMEOUT_MS);
}

function takesPushes(role: Role): boolean {
  return role === 'ingest' || role === 'all';
}

function killed(role: Role): Fault {
  return {
    name: `SIGKILL of ${name(role)}`,
    topologies: TOPOLOGIES,
    shapes: shapesOf(role),
    run: async ({ fleet, hold }) => {
      const { gateway } = victim(fleet, role);
      await gateway.kill();
      await hold();
      await comeBack(gateway);
    },
    // The outcome of its pushes in flight is unknown.
    allows: { indeterminate: takesPushes(role), silent: (fleet) => [victim(fleet, role).name] },
  };
}

function frozen(role: Role, ms?: number): Fault {
  return {
    name: `${name(role)} frozen${ms === undefined ? '' : ` for ${ms / 1_000} s`}`,
    topologies: TOPOLOGIES,
    shapes: shapesOf(role),
    run: async ({ fleet, hold }) => {
      const { gateway } = victim(fleet, role);
      gateway.process.signal('SIGSTOP');
      await hold(ms);
      gateway.process.signal('SIGCONT');
    },
    allows: { silent: (fleet) => [victim(fleet, role).name] },
  };
}

function name(role: Role): string {
  return role === 'all' ? 'one of two `all`' : `one of two ${role}`;
}

const rollingRestart: Fault = {
  name: 'rolling restart of every process',
  topologies: TOPOLOGIES,
  shapes: SHAPES,
  run: async ({ fleet, hold }) => {
    for (const { gateway } of fleet.members) {
      await gateway.stop();
      await comeBack(gateway);
      await hold(500);
    }
  },
  allows: { silent: (fleet) => fleet.members.map((member) => member.name) },
};

export const processFaults: readonly Fault[] = [
  ...ROLES.map((role) => killed(role)),
  ...ROLES.map((role) => frozen(role)),
  rollingRestart,
];

/** Takes longer than the other faults. */
export const longFreeze = frozen('worker', 60_000);
