import type { Config } from '../../shared/config/config.ts';
import { loadConfig } from '../../shared/config/read/load.ts';

/** The configuration from these flags alone. Throws an error with one line for each fault. */
export function configFromFlags(...argv: readonly string[]): Config {
  const loaded = loadConfig({ argv, env: {} });
  if (loaded.kind === 'config') return loaded.config;
  throw new Error(loaded.kind === 'invalid' ? loaded.faults.join('\n') : loaded.kind);
}
