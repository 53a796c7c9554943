import { describe, expect, test } from 'vitest';
import { everyCase, shortCases } from './catalogue/catalogue.ts';
import { writeFaults, type Absence } from './harness/report.ts';
import { runFault, type Result } from './harness/scenario.ts';

// Faults during pushes: no acknowledged push is lost, and no scrape shows data that was not pushed.
//
//   FAULTS=all       every fault on every topology, in both shapes; without it, one of each kind
//   FAULTS=PATTERN   the cases whose `name, topology, shape` matches
//   FAULT_REPORT=1   writes docs/faults.md (make faults); with a pattern, only the rows of these cases
//   FAULT_SECONDS    duration of faults that end by themselves; default 4

const wanted = process.env['FAULTS'] ?? '';
const holdMs = Number(process.env['FAULT_SECONDS'] ?? 4) * 1_000;
const every = everyCase().map((one) => ({ ...one, name: `${one.fault.name}, ${one.topology}, ${one.shape}` }));
const short = new Set(shortCases().map(({ fault, topology, shape }) => `${fault.name}, ${topology}, ${shape}`));
const cases = every.filter(({ name }) => {
  if (wanted === '') return short.has(name);
  return wanted === 'all' || new RegExp(wanted).test(name);
});

const results: Result[] = [];
const absent: Absence[] = [];

function report(): void {
  if (process.env['FAULT_REPORT'] !== '1' || wanted === '') return;
  const planned = wanted === 'all' ? cases.length : every.length;
  const once = absent.filter(({ fault }, i) => absent.findIndex((other) => other.fault === fault) === i);
  writeFaults(results, wanted !== 'all', once, `make faults FAULT_SECONDS=${holdMs / 1_000}`, planned);
}

describe('nothing acknowledged is lost', () => {
  test.for(cases)('$name', { timeout: 300_000 + holdMs }, async ({ fault, topology, shape }, { skip }) => {
    const missing = fault.missing?.();
    if (missing !== undefined) absent.push({ fault: fault.name, why: missing });
    skip(missing !== undefined, missing);
    const result = await runFault(fault, topology, shape, { holdMs });
    results.push(result);
    report();
    const { complaints, violations, ...figures } = result;
    console.log(JSON.stringify({ ...figures, ...violations }));
    expect(complaints.slice(0, 20)).toEqual([]);
  });
});
