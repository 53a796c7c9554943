import { randomBytes } from 'node:crypto';
import { readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from './build.ts';
import { kill } from '../process/process.ts';
import { processesMarked, RUN_VARIABLE, runMark } from '../process/process-tags.ts';

/** Before the projects that start the gateway: it is built, and the run gets its mark. */
export default async function setup(): Promise<() => void> {
  process.env[RUN_VARIABLE] ??= randomBytes(4).toString('hex'); // the first project's holds for all
  await build();
  return teardown;
}

/** Normally setup.ts has left nothing. After a worker that crashed it has: that is ended here, and fails the run. */
function teardown(): void {
  const mark = `${runMark()}-`;
  const leaked = processesMarked(mark);
  for (const { pid } of leaked) kill(pid);
  if (process.env['TEST_KEEP'] !== '1') {
    for (const folder of readdirSync(tmpdir()).filter((name) => name.startsWith(mark))) {
      rmSync(join(tmpdir(), folder), { recursive: true, force: true, maxRetries: 5 });
    }
  }
  if (leaked.length > 0) {
    const list = leaked.map(({ pid, command }) => `  ${pid} ${command}`).join('\n');
    process.exitCode = 1; // vitest only prints what is thrown here
    throw new Error(`the run leaked ${leaked.length} processes (ended now):\n${list}`);
  }
}
