/**
 * One fault, on one topology, to one shape of fleet:
 *
 *     start ─▶ load ─▶ steady ─▶ fault ─▶ load goes on ─▶ last push answered ─▶ readers equal, log empty ─▶ judged
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../../support/eventually.ts';
import { pressureMs } from '../../support/process/machine-load.ts';
import { readBooks, startBackend, type Backend, type Books, type Topology } from './backend.ts';
import { check, type Verdict, type ViolationKind } from './checker.ts';
import { startFleet, type Fleet, type Shape } from './fleet.ts';
import type { Observation } from './history.ts';
import { Workload, type Endpoint, type FailedScrape, type WorkloadOptions } from './workload.ts';

/** Time after the fault within which all readers have to agree, ms. */
export const CONVERGE_MS = 2_000;
const STEADY_MS = 1_500;
const AFTER_MS = 3_000;
const TICK_MS = 20;
const SETTLE_TIMEOUT_MS = 30_000;

/** What a fault acts on. */
export interface Ground {
  readonly backend: Backend;
  readonly fleet: Fleet;
  readonly workload: Workload;
  /** Lets the fault last. */
  readonly hold: (ms?: number) => Promise<void>;
}

export interface Fault {
  readonly name: string;
  readonly topologies: readonly Topology[];
  readonly shapes: readonly Shape[];
  readonly redisArgs?: readonly string[];
  /** Of all gateways; they come last. */
  readonly gatewayArgs?: (topology: Topology) => readonly string[];
  /** The guaranteed durability, if it is lower than that of the topology. */
  readonly durability?: string;
  /** Gateways reach Redis through links. */
  readonly links?: boolean;
  readonly startBackend?: (topology: Topology) => Promise<Backend>;
  /** Why it cannot run on this machine. */
  readonly missing?: () => string | undefined;
  /** Before the fleet starts. */
  readonly prepare?: (backend: Backend) => Promise<void>;
  /** When it resolves, the fault is over. */
  readonly run: (ground: Ground) => Promise<void>;
  readonly allows?: Allowance;
}

export interface Allowance {
  readonly refused?: boolean;
  readonly indeterminate?: boolean;
  /** An unacknowledged push may be lost with a master after a reader has shown it. */
  readonly backwards?: boolean;
  /** A replaced master may show an unacknowledged push without the pushes before it. */
  readonly ahead?: boolean;
  /** Members that cannot answer scrapes while the fault lasts. */
  readonly silent?: (fleet: Fleet) => readonly string[];
  readonly deadLetters?: (backend: Backend) => number;
}

export interface Result {
  readonly fault: string;
  readonly topology: Topology;
  readonly shape: Shape;
  readonly durability: string;
  readonly pushes: number;
  readonly acknowledged: number;
  readonly refused: number;
  readonly indeterminate: number;
  readonly lost: number;
  readonly violations: Readonly<Partial<Record<ViolationKind, number>>>;
  readonly scrapes: number;
  readonly failedScrapes: number;
  readonly faultMs: number;
  readonly longestWaitMs: number;
  /** Undefined = never. */
  readonly convergeMs: number | undefined;
  /** See sleepAndMeasureStall. */
  readonly stallMs: number;
  /** Violations with examples; passed if there are none. */
  readonly complaints: readonly string[];
}

export interface RunOptions extends WorkloadOptions {
  readonly holdMs: number;
}

export async function runFault(fault: Fault, topology: Topology, shape: Shape, options: RunOptions): Promise<Result> {
  const backend =
    (await fault.startBackend?.(topology)) ?? (await startBackend(topology, { redisArgs: fault.redisArgs ?? [] }));
  await fault.prepare?.(backend);
  const args = fault.gatewayArgs?.(topology) ?? [];
  const fleet = await startFleet(backend, shape, { args, links: fault.links === true });
  const workload = new Workload(endpoints(fleet, 'ingest'), endpoints(fleet, 'reader'), options);
  workload.start();
  try {
    await eventually(() => workload.observations.length > 0 && workload.pushes.length >= 150, {
      timeoutMs: 20_000,
      what: 'a load that flows',
    });
    await sleep(STEADY_MS);
    const startMs = Date.now();
    await fault.run({ backend, fleet, workload, hold: async (ms) => sleep(ms ?? options.holdMs) });
    const endMs = Date.now();
    const stallMs = await sleepAndMeasureStall(AFTER_MS);
    await workload.stopPushing();
    const { final, books } = await settle(backend, workload);
    if (final.length === 0) throw new Error('no reader answers, long after the fault');
    const history = { pushes: workload.pushes, flushes: workload.flushes };
    const verdict = check({ history, observations: workload.observations, final, faultEndMs: endMs });
    const silent = new Set(fault.allows?.silent?.(fleet));
    const failed = workload.failedScrapes.filter(
      ({ reader, failedMs, askedMs }) => !silent.has(reader) || failedMs < startMs || askedMs > endMs,
    );
    return conclude({
      fault,
      backend,
      shape,
      fleet,
      workload,
      verdict,
      books,
      failed,
      stallMs,
      faultMs: endMs - startMs,
    });
  } finally {
    await workload.stop();
  }
}

/** Returns for how long the machine was too busy: this process was late, or any process waited for a CPU or a disk. */
async function sleepAndMeasureStall(ms: number): Promise<number> {
  const pressureBefore = pressureMs();
  let stallMs = 0;
  const endMs = performance.now() + ms;
  while (performance.now() < endMs) {
    const startedMs = performance.now();
    await sleep(TICK_MS);
    stallMs += Math.max(0, performance.now() - startedMs - 2 * TICK_MS);
  }
  return Math.round(Math.max(stallMs, Math.min(ms, pressureMs() - pressureBefore)));
}

function endpoints(fleet: Fleet, role: 'ingest' | 'reader'): Endpoint[] {
  return fleet.doing(role).map(({ name, gateway }) => ({ name, url: gateway.url }));
}

/**
 * Waits until the log is empty and readers are equal. Returns without an error at the timeout: the checker reports the
 * reason.
 */
async function settle(backend: Backend, workload: Workload): Promise<{ final: Observation[]; books: Books }> {
  const isEmpty = ({ logged }: Books): boolean => logged === 0;
  await eventually(async () => isEmpty(await readBooks(backend)), {
    timeoutMs: SETTLE_TIMEOUT_MS,
    intervalMs: 100,
  }).catch(() => undefined);
  const books = await readBooks(backend);
  const show = (observation: Observation): string =>
    JSON.stringify([...observation.groups].toSorted(([one], [other]) => (one < other ? -1 : 1)));
  let final: Observation[] = [];
  await eventually(
    async () => {
      final = await workload.observe();
      const wanted = lastValues(workload);
      return new Set(final.map(show)).size === 1 && final.every((observation) => shows(observation, wanted));
    },
    { timeoutMs: CONVERGE_MS, intervalMs: 50 },
  ).catch(() => undefined);
  // A reader that does not answer in time is scraped a second time.
  if (final.length === 0) final = await workload.observe();
  return { final, books };
}

/** The newest acknowledged value of each group that is not empty after it. A newer indeterminate one may hide it. */
function lastValues({ pushes, flushes }: Workload): Map<string, number> {
  const wanted = new Map<string, number>();
  const flushedMs = Math.max(0, ...flushes.map(({ answeredMs }) => answeredMs));
  for (const { group, value, verb, fate, sentMs } of pushes) {
    if (fate === 'ok' && verb !== 'DELETE' && sentMs > flushedMs) wanted.set(group, value);
    else if (fate !== 'refused') wanted.delete(group);
  }
  return wanted;
}

function shows({ groups }: Observation, wanted: ReadonlyMap<string, number>): boolean {
  return [...wanted].every(([group, value]) => groups.get(group)?.content.includes(value) === true);
}

interface Outcome {
  readonly fault: Fault;
  readonly backend: Backend;
  readonly shape: Shape;
  readonly fleet: Fleet;
  readonly workload: Workload;
  readonly verdict: Verdict;
  readonly books: Books;
  readonly failed: readonly FailedScrape[];
  readonly stallMs: number;
  readonly faultMs: number;
}

function conclude({
  fault,
  backend,
  shape,
  fleet,
  workload,
  verdict,
  books,
  failed,
  stallMs,
  faultMs,
}: Outcome): Result {
  const { pushes } = workload;
  const allows = fault.allows ?? {};
  const count = (fate: string): number => pushes.filter((push) => push.fate === fate).length;
  const violations: Partial<Record<ViolationKind, number>> = {};
  for (const { kind } of verdict.violations) violations[kind] = (violations[kind] ?? 0) + 1;
  const lost = verdict.violations.reduce((sum, { kind, count: many = 1 }) => sum + (kind === 'lost' ? many : 0), 0);
  const times = [...verdict.convergedMs.values()];
  const convergeMs = times.includes(undefined) ? undefined : Math.max(0, ...times.map((time = 0) => time));

  const complaints = verdict.violations
    .filter(({ kind }) => !((kind === 'backwards' || kind === 'ahead') && allows[kind] === true))
    .map(({ kind, reader, group, atMs, what }) => `${kind}: ${reader} ${group} at ${atMs}: ${what}`);
  const unwanted = (fate: string): void => {
    const [example] = pushes.filter((push) => push.fate === fate);
    if (example !== undefined) complaints.push(`${count(fate)} pushes ${fate}, as ${JSON.stringify(example)}`);
  };
  if (allows.refused !== true) unwanted('refused');
  if (allows.indeterminate !== true) unwanted('indeterminate');
  if (failed.length > 0) complaints.push(`${failed.length} scrapes failed, as ${JSON.stringify(failed[0])}`);
  for (const { name, gateway } of fleet.members) {
    const { exit } = gateway.process;
    if (exit === undefined) continue;
    complaints.push(`${name} ended with ${exit.code ?? exit.signal}: ${gateway.process.log().slice(-2_000)}`);
  }
  if (convergeMs === undefined || convergeMs > CONVERGE_MS + stallMs)
    complaints.push(
      `readers took ${convergeMs ?? 'for ever'} ms (the machine was too busy for ${stallMs} ms): ${JSON.stringify([...verdict.convergedMs])}`,
    );
  if (books.logged > 0) complaints.push(`${books.logged} pushes are left in the log`);
  const buried = allows.deadLetters?.(backend) ?? 0;
  if (books.deadLetters !== buried) complaints.push(`${books.deadLetters} dead letters, not ${buried}`);
  if (books.settledTwice.length > 0) complaints.push(`took effect twice: ${books.settledTwice.join(' ')}`);
  return {
    fault: fault.name,
    topology: backend.topology,
    shape,
    durability: fault.durability ?? backend.durability,
    pushes: pushes.length,
    acknowledged: count('ok'),
    refused: count('refused'),
    indeterminate: count('indeterminate'),
    lost,
    violations,
    scrapes: workload.observations.length,
    failedScrapes: workload.failedScrapes.length,
    faultMs,
    longestWaitMs: Math.max(0, ...pushes.map(({ sentMs, answeredMs }) => answeredMs - sentMs)),
    convergeMs,
    stallMs,
    complaints,
  };
}
