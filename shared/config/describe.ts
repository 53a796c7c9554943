import type { Config } from './config.ts';
import { valueAt } from './read/object-paths.ts';
import { SETTINGS } from './settings/settings.ts';

/** Flag name → value in force, as text. A secret that is set shows as `<secret>`. */
export function describeConfig(config: Config): Readonly<Record<string, string>> {
  return Object.fromEntries(
    SETTINGS.flatMap(({ name, path, kind, secret }) => {
      if (path === undefined) return [];
      const value = kind.format(valueAt(config, path));
      return [[name, secret && value !== '' ? '<secret>' : value]];
    }),
  );
}
