import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { eventually } from '../eventually.ts';
import { kill } from '../process/process.ts';
import { fileTag, taggedProcesses } from '../process/process-tags.ts';
import { releasePorts } from '../process/ports.ts';
import { endResources, heldCount } from '../process/resources.ts';
import { takeSlot } from './slots.ts';

/**
 * Runs around every test file. Ends what the tests started. Whatever remains then is a leak that fails the file:
 * a process somewhere on the machine, or an open socket or thread in this one.
 */
let handlesBefore: string[] = [];
let keep = 0;
let giveBack = async (): Promise<void> => {};

beforeAll(async () => {
  giveBack = await takeSlot();
  handlesBefore = openHandles().filter((kind) => kind !== 'Timeout');
}, 7_200_000);

beforeEach(() => {
  keep = heldCount();
});

afterEach(async () => {
  await endResources(keep);
}, 60_000);

afterAll(async () => {
  try {
    await endResources(0);
  } finally {
    await failOnProcesses();
    await releasePorts();
    await failOnHandles();
    await giveBack();
  }
}, 120_000);

async function failOnProcesses(): Promise<void> {
  try {
    // Children of a process that has just ended may need a moment to end.
    await eventually(() => taggedProcesses(fileTag).length === 0, { timeoutMs: 2_000 });
  } catch {
    const leaked = taggedProcesses(fileTag);
    for (const { pid } of leaked) kill(pid);
    const list = leaked.map(({ pid, command }) => `  ${pid} ${command}`).join('\n');
    if (leaked.length > 0) throw new Error(`this file leaked ${leaked.length} processes (ended now):\n${list}`);
  }
}

/**
 * Sockets, servers, threads and timers (a reconnecting client has one), except those of the test runner, whose
 * timers don't keep a process alive.
 */
async function failOnHandles(): Promise<void> {
  let leaked: string[] = [];
  for (let tries = 0; tries < 40; tries++) {
    await turn(); // resources created last only appear now
    const handles = openHandles();
    leaked = [...new Set(handles)].filter((kind) => count(handles, kind) > count(handlesBefore, kind));
    if (leaked.length === 0) return;
    await sleep(50);
  }
  throw new Error(`this file leaked handles, they would keep the process alive: ${leaked.join(', ')}`);
}

function openHandles(): string[] {
  const active = process.getActiveResourcesInfo().filter((kind) => /^(TCP|UDP|Pipe|Process|Timeout)/.test(kind));
  Object.assign(process.report, { excludeNetwork: true }); // no name look-ups
  const report: { workers?: unknown[] } = process.report.getReport();
  return [...active, ...(report.workers ?? []).map(() => 'Worker')];
}

function count(kinds: readonly string[], kind: string): number {
  return kinds.filter((candidate) => candidate === kind).length;
}
