import { randomBytes } from 'node:crypto';
import { readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from './build.ts';
import { kill } from '../process/process.ts';
import { taggedProcesses, RUN_VARIABLE, runTag } from '../process/process-tags.ts';

/** Runs before the projects that start the gateway: builds it, and sets the tag of the run. */
export default async function setup(): Promise<() => void> {
  process.env[RUN_VARIABLE] ??= randomBytes(4).toString('hex'); // the tag of the first project is used by all
  await build();
  return teardown;
}

/** Processes that a crashed worker left behind are ended here and fail the run. Normally setup.ts leaves none. */
function teardown(): void {
  const tag = `${runTag()}-`;
  const leaked = taggedProcesses(tag);
  for (const { pid } of leaked) kill(pid);
  if (process.env['TEST_KEEP'] !== '1') {
    for (const folder of readdirSync(tmpdir()).filter((name) => name.startsWith(tag))) {
      rmSync(join(tmpdir(), folder), { recursive: true, force: true, maxRetries: 5 });
    }
  }
  if (leaked.length > 0) {
    const list = leaked.map(({ pid, command }) => `  ${pid} ${command}`).join('\n');
    process.exitCode = 1; // vitest only prints what is thrown here
    throw new Error(`the run leaked ${leaked.length} processes (ended now):\n${list}`);
  }
}
