import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileTag } from './process-tags.ts';
import { hold } from './resources.ts';

/**
 * A new folder, deleted after the test (or the file) that created it; TEST_KEEP=1 keeps it, to read its logs.
 * Its path is short: a unix socket's may have 104 bytes at most.
 */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(realpathSync(tmpdir()), `${fileTag}-`));
  hold(folder, async () => {
    if (process.env['TEST_KEEP'] === '1') console.log(`kept: ${folder}`);
    else rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  });
  return folder;
}
