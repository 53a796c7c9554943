/**
 * Writes docs/faults.md. Each kind of run replaces the part between its two markers.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { projectFolder } from '../../support/project.ts';
import type { Result } from './scenario.ts';

const FILE = join(projectFolder, 'docs/faults.md');
/** The results that the table shows. */
const RESULTS = join(projectFolder, 'test/faults/results.json');

const HEAD = `# Fault injection

The runs themselves write this file (\`make faults\`, \`make soak\`); do not edit it. \`make faults FAULTS=PATTERN\` repeats
the matching runs, and replaces their rows.

A recorded load runs: 50 groups with one writer each, 100 pushes/s in total, PUTs of three families with one value,
POSTs of one of them, and DELETEs. Every reader is scraped every 100 ms, and a fault is injected. A judge
(\`test/faults/harness/checker.ts\`) compares every scrape with what was pushed; it defines what counts as lost, torn,
resurrected or backwards. Writers wait up to 35 s for an answer. If a gateway cannot be connected to, they use the next
one, as behind a load balancer, and never send a push twice that may have been sent. \`all\` is two processes with all
roles; \`split\` is two each of ingest, worker and reader.

`;

export type Part = 'faults' | 'soak';
const PARTS: readonly Part[] = ['faults', 'soak'];

const marks = (part: Part): [begin: string, end: string] => [`<!-- ${part}: begin -->\n`, `<!-- ${part}: end -->\n`];

export function writePart(part: Part, text: string): void {
  const old = existsSync(FILE) ? readFileSync(FILE, 'utf8') : '';
  const parts = PARTS.map((name) => {
    const [begin, end] = marks(name);
    const from = old.indexOf(begin);
    const kept = from < 0 ? '\nNot run yet.\n\n' : old.slice(from + begin.length, old.indexOf(end, from));
    return begin + (name === part ? `\n${text.trim()}\n\n` : kept) + end;
  });
  writeFileSync(FILE, HEAD + parts.join('\n'));
}

/** Command, date and machine of a run. */
export function circumstances(command: string): string {
  const model = cpus()[0]?.model.trim() ?? 'unknown';
  const machine = `${cpus().length} cores (${model}), ${Math.round(totalmem() / 2 ** 30)} GiB`;
  return `\`${command}\`, ${new Date().toISOString().slice(0, 10)}, ${machine}, shared by load, gateways and Redis.`;
}

export interface Absence {
  readonly fault: string;
  readonly why: string;
}

/**
 * Writes the results after each run, so that an interrupted series leaves its results. `planned` is the number of runs
 * of the whole series. With `keep`, earlier results of other cases are kept.
 */
export function writeFaults(
  found: readonly Result[],
  keep: boolean,
  absent: readonly Absence[],
  command: string,
  planned: number,
): void {
  const before = keep && existsSync(RESULTS) ? (JSON.parse(readFileSync(RESULTS, 'utf8')) as Result[]) : [];
  const isOf = (one: Result, other: Result): boolean =>
    one.fault === other.fault && one.topology === other.topology && one.shape === other.shape;
  const results = [...before.filter((one) => !found.some((other) => isOf(one, other))), ...found];
  writeFileSync(RESULTS, `[\n${results.map((one) => JSON.stringify(one)).join(',\n')}\n]\n`);
  const total = (of: (result: Result) => number): number => results.reduce((sum, result) => sum + of(result), 0);
  const failed = results.filter(({ complaints }) => complaints.length > 0);
  const lines = [
    '## Results',
    '',
    circumstances(command),
    '',
    `${results.length} runs of ${planned} planned, ${total(({ pushes }) => pushes)} pushes, ${total(({ acknowledged }) => acknowledged)} acknowledged, ` +
      `${total(({ lost }) => lost)} lost, ${total(({ scrapes }) => scrapes)} scrapes; ${failed.length} runs with a complaint.`,
    '',
    '- *unknown*: pushes without an answer, or with the answer that their fate is unknown: they may take effect or not.',
    '- *wrong*: torn, resurrected, out of order, invalid, rejected but visible, with a wrong push time, or readers that',
    '  differ at the end.',
    '- *backwards*: views that a reader took back, or that lacked an older push, of pushes that were not yet acknowledged',
    '  when the reader showed them.',
    '- *no answer*: scrapes that failed; in brackets if they failed only at processes that were themselves the victim.',
    '- *wait*: the longest of any push. *converged*: time from the end of the fault until every reader showed everything that',
    '  had been acknowledged by then; a complaint if it exceeds by more than 2 s the time for which the load generator itself',
    '  stalled.',
    '',
    '| Fault | Topology | Shape | Durability | Pushes | Acknowledged | Lost | Refused | Unknown | Wrong | Backwards | No answer | Fault | Wait | Converged |',
    `|${'---|'.repeat(15)}`,
    ...results.toSorted(byName).map(row),
    '',
  ];
  if (failed.length > 0) {
    lines.push('### Complaints', '');
    for (const { fault, topology, shape, complaints } of failed) {
      lines.push(`- **${fault}**, ${topology}, ${shape}: ${complaints.length}, among them`);
      for (const complaint of complaints.slice(0, 3)) lines.push(`  - ${complaint.slice(0, 300)}`);
    }
    lines.push('');
  }
  if (absent.length > 0) lines.push('### Not run', '', ...absent.map(({ fault, why }) => `- **${fault}**: ${why}`), '');
  writePart('faults', lines.join('\n'));
}

function byName(one: Result, other: Result): number {
  const key = ({ fault, topology, shape }: Result): string => [fault, topology, shape].join(' | ');
  return key(one).localeCompare(key(other));
}

function row(result: Result): string {
  const { violations, failedScrapes, complaints } = result;
  const { lost: _lost, backwards = 0, ahead = 0, ...others } = violations;
  const wrong = Object.values(others).reduce((sum, count) => sum + count, 0);
  const isVictims = !complaints.some((complaint) => complaint.includes('scrapes failed'));
  const cells = [
    result.fault,
    result.topology,
    result.shape,
    result.durability,
    result.pushes,
    result.acknowledged,
    result.lost,
    result.refused,
    result.indeterminate,
    wrong,
    backwards + ahead,
    failedScrapes > 0 && isVictims ? `(${failedScrapes})` : failedScrapes,
    seconds(result.faultMs),
    seconds(result.longestWaitMs),
    result.convergeMs === undefined ? 'never' : seconds(result.convergeMs),
  ];
  return `| ${cells.join(' | ')} |`;
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(2)} s`;
}
