import { hash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { projectFolder } from '../project.ts';
import { runOrThrow } from './run.ts';
import { findTool, requireTool } from './tools.ts';

/** A program that is compiled from the package `path` of a Go module in one version. */
export interface GoProgram {
  readonly module: string;
  readonly version: string;
  readonly package: string;
  /** The file, below .cache/. */
  readonly file: string;
}

/** For `skip(...whyNoGoProgram(…))`. */
export function whyNoGoProgram({ file }: GoProgram): [condition: boolean, note: string] {
  return [!existsSync(join(projectFolder, '.cache', file)) && findTool('go') === undefined, 'Go is not installed'];
}

/** Returns its path. The first call on a machine compiles it, which may take minutes. */
export async function buildGoProgram({ module, version, package: path, file }: GoProgram): Promise<string> {
  const binary = join(projectFolder, '.cache', file);
  if (existsSync(binary)) return binary;
  // As a dependency of our own module: installing by name needs a list of versions, which not every
  // module proxy provides.
  const folder = `${binary}.build-${process.pid}`;
  mkdirSync(folder, { recursive: true });
  try {
    writeFileSync(join(folder, 'go.mod'), `module build\n\ngo 1.25.0\n\nrequire ${module} ${version}\n`);
    const output = basename(binary);
    await runOrThrow(requireTool('go'), ['build', '-o', output, path], {
      cwd: folder,
      env: { ...process.env, GOFLAGS: '-mod=mod', CGO_ENABLED: '0' },
      timeoutMs: 600_000,
    });
    mkdirSync(dirname(binary), { recursive: true });
    renameSync(join(folder, output), binary); // atomic, because another worker may build it at the same time
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return binary;
}

/**
 * The program of a Go module in test/, with the versions of its go.sum. Compiled again when one of its files changed.
 */
export async function buildGoModule(name: string): Promise<string> {
  const folder = join(projectFolder, 'test', name);
  const sources = readdirSync(folder).map((file) => readFileSync(join(folder, file), 'utf8'));
  const binary = join(projectFolder, '.cache', name, hash('sha1', sources.join('\0')));
  if (existsSync(binary)) return binary;
  mkdirSync(dirname(binary), { recursive: true });
  const unfinished = `${binary}.${process.pid}`;
  await runOrThrow(requireTool('go'), ['build', '-trimpath', '-ldflags=-s -w', '-o', unfinished, '.'], {
    cwd: folder,
    env: { ...process.env, CGO_ENABLED: '0' },
    timeoutMs: 900_000,
  });
  renameSync(unfinished, binary);
  return binary;
}
