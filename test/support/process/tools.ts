import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** The path of a program, or undefined. */
export function findTool(name: string): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  for (const folder of folders) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // not here
    }
  }
  return undefined;
}

/** Like findTool, for programs that `make test` installs. Throws if the program is missing. */
export function requireTool(name: string): string {
  const path = findTool(name);
  if (path === undefined) throw new Error(`cannot find ${name}: run "make test", which installs it`);
  return path;
}

/**
 * For `test.skipIf`-like use in a test: `skip(...missing('nginx'))` skips with the reason when the program is absent.
 */
export function missing(name: string): [condition: boolean, note: string] {
  return [findTool(name) === undefined, `${name} is not installed`];
}
