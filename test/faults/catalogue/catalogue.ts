import type { Topology } from '../harness/backend.ts';
import type { Shape } from '../harness/fleet.ts';
import type { Fault } from '../harness/scenario.ts';
import { clockFaults } from './clocks.ts';
import { connectionFaults } from './connections.ts';
import { longFreeze, processFaults } from './processes.ts';
import { serverFaults } from './servers.ts';
import { partitionFaults } from './partitions.ts';
import { stateFaults } from './state.ts';

export const catalogue: readonly Fault[] = [
  ...processFaults,
  longFreeze,
  ...serverFaults,
  ...connectionFaults,
  ...stateFaults,
  ...partitionFaults,
  ...clockFaults,
];

export interface Case {
  readonly fault: Fault;
  readonly topology: Topology;
  readonly shape: Shape;
}

/** Every case, ordered so that an interrupted series has run each fault equally often, on different topologies. */
export function everyCase(): Case[] {
  const byFault = catalogue.map((fault, i) => {
    const cases = fault.topologies.flatMap((topology) => fault.shapes.map((shape) => ({ fault, topology, shape })));
    const turn = (i * 2) % cases.length;
    return [...cases.slice(turn), ...cases.slice(0, turn)];
  });
  const rounds = Math.max(...byFault.map((cases) => cases.length));
  return Array.from({ length: rounds }, (_, round) => byFault.flatMap((cases) => cases.slice(round, round + 1))).flat();
}

/** One of each kind, spread over the topologies and shapes. */
export function shortCases(): Case[] {
  const chosen: [name: RegExp, topology: Topology, shape: Shape][] = [
    [/^SIGKILL of one of two ingest/, 'single', 'split'],
    [/^one of two worker frozen$/, 'cluster', 'split'],
    [/^SIGKILL of the Redis master/, 'sentinel', 'split'],
    [/^SIGKILL of the Redis master/, 'cluster', 'all'],
    [/^Redis master frozen/, 'sentinel', 'all'],
    [/^rolling restart/, 'single', 'split'],
    [/^all connections dropped/, 'cluster', 'all'],
    [/^reply lost/, 'single', 'all'],
    [/^partition .* ingest/, 'single', 'split'],
    [/^notifications forbidden/, 'sentinel', 'split'],
    [/^maxmemory/, 'single', 'all'],
    [/^FLUSHALL/, 'single', 'split'],
    [/^slots migrated/, 'cluster', 'all'],
  ];
  return chosen.map(([name, topology, shape]) => {
    const fault = catalogue.find((candidate) => name.test(candidate.name));
    if (fault === undefined) throw new Error(`no fault is called ${name}`);
    return { fault, topology, shape };
  });
}
