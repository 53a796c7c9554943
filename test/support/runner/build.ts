import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { projectFolder } from '../project.ts';
import { runOrThrow } from '../process/run.ts';

/**
 * Builds dist/ when it is missing or older than a source, so that what the tests start is what the sources say.
 * TEST_BUILD=skip takes dist/ as it is, as while a source is half written.
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
  // The folder's own time too: it tells of a file that was taken away.
  return Math.max(modified(path), ...readdirSync(path).map((entry) => newestIn(join(path, entry))));
}

function modified(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
