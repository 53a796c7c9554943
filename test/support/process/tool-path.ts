import { delimiter, join } from 'node:path';

/**
 * Programs are looked for in PATH first, then where .ci/install-tools puts some, then in sbin: Debian keeps nginx
 * there, and the PATH of a plain user leaves it out.
 */
export function extendPath(): void {
  const more = [join(import.meta.dirname, '../../../.cache/tools/bin'), '/usr/local/sbin', '/usr/sbin', '/sbin'];
  process.env['PATH'] = [process.env['PATH'] ?? '', ...more].join(delimiter);
}
