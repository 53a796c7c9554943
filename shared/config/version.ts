import { readFileSync } from 'node:fs';
import { isRecord } from './read/object-paths.ts';

/** The version of the package; '' if its package.json is not found, as in a bundle. */
export function packageVersion(): string {
  // Two levels up from the source, three from dist.
  for (const up of ['../../', '../../../']) {
    try {
      const read: unknown = JSON.parse(readFileSync(new URL(`${up}package.json`, import.meta.url), 'utf8'));
      if (!isRecord(read) || read['name'] !== 'pushgateway-redis') continue;
      return String(read['version']);
    } catch {
      continue;
    }
  }
  return '';
}

/** Begins like that of the official gateway. */
export function versionText(): string {
  return `pushgateway, version ${packageVersion() || 'unknown'} (pushgateway-redis)\n  node: ${process.version}\n`;
}
