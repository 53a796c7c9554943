import { readFileSync } from 'node:fs';
import { isRecord } from './read/object-paths.ts';

/** The package's version; '' when package.json is nowhere above, which a bundle may well do. */
export function packageVersion(): string {
  // Two levels up in the sources, three in dist.
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

/** Begins as the official gateway's does. */
export function versionText(): string {
  return `pushgateway, version ${packageVersion() || 'unknown'} (pushgateway-redis)\n  node: ${process.version}\n`;
}
