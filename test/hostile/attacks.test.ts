import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { projectFolder } from '../support/project.ts';
import type { GatewayKind } from './attack.ts';
import { ATTACKS } from './attacks.ts';
import type { Times, Verdict } from './judge.ts';
import { type Assault, besiege, compileAttackers, raisePriority, type Report } from './siege.ts';

/**
 * Without HOSTILE_SECONDS: all attacks at once, a few clients each, for a few seconds. With it: every attack alone,
 * then 1,000 clients of every kind at once, each for that time; only then times are judged.
 */
const seconds = Number(process.env['HOSTILE_SECONDS'] ?? 0);
const isShort = seconds === 0;
const MIXED_CLIENTS = isShort ? 150 : 1_000;
const SHORT_SECONDS = 6;
/** Memory that the gateway may hold at most: its heap, and what is outside of it, MiB. */
const MAX_PEAK_MIB = Number(process.env['HOSTILE_MAX_MIB'] ?? 1_400);
const MAX_HEALTHY_MS = 250;
/** p99 values below this are noise, ms. */
const NOISE_MS = 50;

/** A line of JSON for each attack. */
const RESULTS = '.cache/hostile/results.jsonl';

const KINDS: readonly GatewayKind[] = ['plain', 'tls', 'secured'];

/** Which attacks are made at once on which gateway. */
const MIXED: Readonly<Record<GatewayKind, readonly GatewayKind[]>> = {
  plain: ['plain'],
  tls: ['plain', 'tls'],
  secured: ['tls', 'secured'],
};

beforeAll(async () => {
  raisePriority();
  await compileAttackers();
});

test.for(isShort ? [] : Object.entries(ATTACKS))('the gateway survives %s', async ([name, { against, clients }]) => {
  judge(await besiege(name, against, [{ attack: name, clients }], seconds));
});

test.for(isShort ? (['plain', 'secured'] as const) : KINDS)('%s: all attacks at once', async (kind) => {
  const names = Object.keys(ATTACKS).filter(
    (name) => ATTACKS[name]?.scrapes !== false && MIXED[kind].includes(ATTACKS[name]?.against ?? kind),
  );
  const assaults = names.map((attack): Assault => ({ attack, clients: Math.ceil(MIXED_CLIENTS / names.length) }));
  judge(await besiege(`all-${kind}`, kind, assaults, isShort ? SHORT_SECONDS : seconds));
});

function judge(report: Report): void {
  record(report);
  const { name, exit, during, control, before, after, peakMiB } = report;
  const context = `${name}; see ${RESULTS}`;
  expect(exit, `the gateway has ended: ${context}`).toBeUndefined();
  expect.soft(during.failures, `well-behaved clients were refused: ${context}`).toEqual({});
  expect.soft(after.failures, `refused after the attack: ${context}`).toEqual({});
  expect.soft(peakMiB.during, `memory, MiB: ${context}`).toBeLessThan(MAX_PEAK_MIB);
  if (isShort) return;
  expect.soft(during.healthy.max, `/-/healthy, ms: ${context}`).toBeLessThan(MAX_HEALTHY_MS);
  for (const kind of ['push', 'scrape'] as const) {
    const normal = Math.max(before[kind].p99, control[kind].p99, NOISE_MS);
    expect.soft(during[kind].p99, `${kind}, p99 in ms: ${context}`).toBeLessThan(2 * normal);
  }
}

/** One line for the table, and the whole in a file. */
function record(report: Report): void {
  appendFileSync(join(projectFolder, RESULTS), `${JSON.stringify(report)}\n`);
  const { name, exit, before, control, during, after, peakMiB } = report;
  const show = ({ p99, rawP99 }: Times): string => `${p99} (${rawP99})`;
  const failures = ({ failures: counts }: Verdict): string => JSON.stringify(counts).replaceAll('"', '');
  const cells = [
    name,
    exit ?? 'alive',
    `${during.healthy.max} (${during.healthy.rawMax})`,
    [before, control, during].map(({ push }) => show(push)).join(' / '),
    [before, control, during].map(({ scrape }) => show(scrape)).join(' / '),
    failures(during),
    failures(after),
    `${peakMiB.before} → ${peakMiB.during}`,
  ];
  console.log(`| ${cells.join(' | ')} |\n${report.attackers.join('\n')}`);
}
