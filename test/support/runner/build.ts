import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { projectFolder } from '../project.ts';
import { runOrThrow } from '../process/run.ts';

/**
 * Builds dist/ if it is missing or older than a source, so that the tests start the current code.
 * TEST_BUILD=skip uses dist/ as it is, for example while a source is being edited.
 */
export async function build(): Promise<void> {
  if (process.env['TEST_BUILD'] === 'skip') return;
  const built = modified(join(projectFolder, 'dist/.built'));
  const sources = ['services', 'shared', 'tsconfig.json', 'tsconfig.build.json', 'package.json'];
  const newest = Math.max(...sources.map((path) => newestIn(join(projectFolder, path))));
  if (newest >= built) await runOrThrow('npm', ['run', '--silent', 'build'], { cwd: projectFolder });
}

function newestIn(path: string): number {
  if (!statSync(path).isDirectory()) return modified(path);
  // The time of the folder changes when a file is removed.
  return Math.max(modified(path), ...readdirSync(path).map((entry) => newestIn(join(path, entry))));
}

function modified(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
