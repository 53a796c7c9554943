import type { Config } from '../../shared/config/config.ts';
import { loadConfig } from '../../shared/config/read/load.ts';

/** The configuration that these flags alone make. Throws, with a line for each fault, when they make none. */
export function configFromFlags(...argv: readonly string[]): Config {
  const loaded = loadConfig({ argv, env: {} });
  if (loaded.kind === 'config') return loaded.config;
  throw new Error(loaded.kind === 'invalid' ? loaded.faults.join('\n') : loaded.kind);
}
