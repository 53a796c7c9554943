/**
 * The figures of docs/performance.md. Only a run of the benchmarks writes them. They are kept in results.json, so that
 * single sections can be measured again.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { projectFolder } from '../../support/project.ts';
import { withScalingTables } from './scaling-document.ts';
import type { Spread } from './spread.ts';

export interface Measured {
  readonly name: string;
  readonly unit: string;
  readonly spread: Spread;
}

export interface Figure {
  /** Section and name, with a dot between them. The results of a section are replaced together. */
  readonly id: string;
  readonly what: string;
  readonly ours: Measured;
  readonly versus?: Measured;
  readonly ratio?: Spread;
  /** As in the table; '' = none. */
  readonly target: string;
  readonly met?: boolean;
}

export interface Recorded extends Figure {
  readonly when: string;
  readonly revision: string;
  readonly size: string;
  readonly machine: string;
}

const FILE = fileURLToPath(new URL('results.json', import.meta.url));
const DOCUMENT = join(projectFolder, 'docs/performance.md');
const SCALING = join(projectFolder, 'docs/scaling.md');
const START = '<!-- figures: written by `make bench`, never by hand -->';
const END = '<!-- end of figures -->';

/** Replaces the results of the sections that the figures belong to, and prints the figures. */
export function record(figures: readonly Figure[], size: string): void {
  const common = {
    when: new Date().toISOString().slice(0, 10),
    revision: execFileSync('git', ['describe', '--always', '--dirty'], { cwd: projectFolder }).toString().trim(),
    size,
    machine: `${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown'}, Node ${process.version}`,
  };
  const sections = new Set(figures.map(sectionOf));
  const held = results();
  const others = held.filter((figure) => !sections.has(sectionOf(figure)));
  const before = held.findIndex((figure) => sections.has(sectionOf(figure)));
  others.splice(before === -1 ? others.length : before, 0, ...figures.map((figure) => ({ ...figure, ...common })));
  writeFileSync(FILE, `${JSON.stringify(others, null, 2)}\n`);
  for (const figure of figures) console.log(line(figure).trimEnd());
}

export function writeDocument(): void {
  const text = readFileSync(DOCUMENT, 'utf8');
  const [before, rest] = text.split(START);
  const after = rest?.split(END)[1];
  if (before === undefined || after === undefined) throw new Error(`${DOCUMENT} has no marks for the figures`);
  // Figures of the section `scale` are shown in docs/scaling.md.
  const figures = results().filter(({ id }) => !id.startsWith('scale.'));
  writeFileSync(DOCUMENT, `${before}${START}\n\n${table(figures)}\n${END}${after}`);
}

/** Writes the tables of docs/scaling.md, if the section `scale` was measured. */
export function writeScaling(): void {
  const figures = results();
  if (!figures.some(({ id }) => id.startsWith('scale.'))) return;
  writeFileSync(SCALING, withScalingTables(readFileSync(SCALING, 'utf8'), figures));
}

export function results(): Recorded[] {
  return existsSync(FILE) ? (JSON.parse(readFileSync(FILE, 'utf8')) as Recorded[]) : [];
}

function sectionOf({ id }: Figure): string {
  return id.split('.')[0] ?? id;
}

function table(figures: readonly Recorded[]): string {
  // A table of their own, because these many rows are not compared with anything.
  const isCpu = ({ id }: Figure): boolean => id.startsWith('cpu.');
  let text = '| What | Ours | Compared with | Ratio | Target | |\n|---|---|---|---|---|---|\n';
  for (const figure of figures) if (!isCpu(figure)) text += line(figure);
  text += '\nCPU time per push, roles in processes of their own, 10,000 groups:\n\n| What | |\n|---|---|\n';
  for (const { what, ours } of figures.filter(isCpu)) text += `| ${what} | ${show(ours)} |\n`;
  const runs = new Map<string, Set<string>>();
  for (const figure of figures) {
    const { when, revision, size, machine } = figure;
    const run = `${when}, ${revision}, ${size} rounds, ${machine}`;
    runs.set(run, (runs.get(run) ?? new Set()).add(sectionOf(figure)));
  }
  text += '\nMeasured:\n\n';
  for (const [run, sections] of runs) text += `- ${[...sections].join(', ')}: ${run}\n`;
  return text;
}

function line({ what, ours, versus, ratio, target, met }: Figure): string {
  const verdict = met === undefined ? '' : met ? 'met' : 'missed';
  const other = versus === undefined ? '' : `${versus.name}: ${show(versus)}`;
  return `| ${what} | ${show(ours)} | ${other} | ${ratio === undefined ? '' : showSpread(ratio)} | ${target} | ${verdict} |\n`;
}

function show({ unit, spread }: Measured): string {
  return `${showSpread(spread)} ${unit}`.trim();
}

/** Median (minimum – maximum). */
function showSpread({ median, min, max, count }: Spread): string {
  return count === 1 ? number(median) : `**${number(median)}** (${number(min)} – ${number(max)})`;
}

function number(value: number): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : Math.abs(value) >= 0.1 ? 2 : 3;
  return value.toLocaleString('en', { maximumFractionDigits: digits, minimumFractionDigits: digits });
}
