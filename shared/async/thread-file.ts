import { existsSync } from 'node:fs';

/**
 * URL of a module that runs in a thread, next to the module with the URL `caller`: `.js` once compiled, `.ts` when run
 * from source.
 */
export function threadFile(name: string, caller: string): string {
  const compiled = new URL(`./${name}.js`, caller);
  return (existsSync(compiled) ? compiled : new URL(`./${name}.ts`, caller)).href;
}
