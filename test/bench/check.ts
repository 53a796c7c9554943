/**
 * `make bench-check`: measures ratios of CPU time and memory, and compares them with test/bench/report/baseline.json. A
 * section with a ratio that is more than 15 % worse is measured again, with twice the rounds, before it counts.
 *
 *     BASELINE=write      writes the results as the new baseline instead
 *     CHECK=push,scrape   these sections only
 *     ROUNDS=9            interleaved rounds of the first measurement
 */
import { execFileSync } from 'node:child_process';
import { cpus } from 'node:os';
import { test } from 'vitest';
import { projectFolder } from '../support/project.ts';
import { endResources, heldCount } from '../support/process/resources.ts';
import { memoryCheck } from './check/memory.ts';
import { pushCheck } from './check/push.ts';
import { scrapeCheck } from './check/scrape.ts';
import type { CheckSection } from './check/section.ts';
import { describe, judge, readBaseline, sectionsOf, writeBaseline, type Ratio } from './report/baseline.ts';

const sections: Readonly<Record<string, CheckSection>> = { push: pushCheck, scrape: scrapeCheck, memory: memoryCheck };

test('ratios against the baseline', async () => {
  const asked = (process.env['CHECK'] ?? '').split(',').filter((name) => name !== '');
  const unknown = asked.find((name) => !(name in sections));
  if (unknown !== undefined) throw new Error(`there is no section ${unknown}: ${Object.keys(sections).join(', ')}`);
  const names = asked.length > 0 ? asked : Object.keys(sections);
  const rounds = Number(process.env['ROUNDS'] ?? 9);
  const isWriting = process.env['BASELINE'] === 'write';
  const baseline = isWriting ? [] : readBaseline().filter(({ id }) => names.includes(id.split('.', 1)[0] ?? ''));

  let measured = await measure(names, rounds);
  if (isWriting) {
    writeBaseline(measured, provenance());
    return;
  }
  const first = judge(baseline, measured);
  const again = sectionsOf(first);
  if (again.length > 0) {
    console.log(`Again, with twice the rounds: ${again.join(', ')}`);
    const repeated = await measure(again, 2 * rounds);
    measured = [...measured.filter(({ id }) => !again.some(prefixes(id))), ...repeated];
  }
  const verdicts = judge(baseline, measured);
  for (const verdict of verdicts) console.log(`${verdict.isWorse ? 'WORSE ' : '      '}${describe(verdict)}`);
  // Only what is worse in both measurements counts: one of them may have been disturbed by other load.
  const firstWorse = new Set(first.filter(({ isWorse }) => isWorse).map(({ id }) => id));
  const regressions = verdicts.filter(({ id, isWorse }) => isWorse && firstWorse.has(id)).map(describe);
  if (regressions.length > 0) throw new Error(`more than 15 % worse than the baseline:\n${regressions.join('\n')}`);
});

async function measure(names: readonly string[], rounds: number): Promise<Ratio[]> {
  const found: Ratio[] = [];
  for (const name of names) {
    const keep = heldCount();
    console.log(`${name}, ${rounds} rounds:`);
    found.push(...((await sections[name]?.(rounds)) ?? []));
    await endResources(keep);
  }
  return found;
}

const prefixes = (id: string) => (section: string) => id.startsWith(`${section}.`);

function provenance(): string {
  const date = new Date().toISOString().slice(0, 10);
  const revision = execFileSync('git', ['describe', '--always', '--dirty'], { cwd: projectFolder }).toString().trim();
  return `${date}, ${revision}, ${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown'}, Node ${process.version}`;
}
