import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { withSettingsTable } from '../../shared/config/describe.ts';
import { loadConfig } from '../../shared/config/read/load.ts';
import { settings } from '../../shared/config/settings/settings.ts';

const fileUrl = new URL('../../docs/configuration.md', import.meta.url);

// Stale? Write it anew with: npx vitest run test/unit/config-docs.test.ts -u
test('docs/configuration.md has the table of settings as it is', async () => {
  await expect(withSettingsTable(readFileSync(fileUrl, 'utf8'))).toMatchFileSnapshot(fileUrl.pathname);
});

test('the table can be found in the document', () => {
  const document = readFileSync(fileUrl, 'utf8');
  for (const { name } of settings) expect(document).toContain(`\`--${name}\``);
  expect(withSettingsTable(document.replace('`--push.wait`', 'stale'))).toContain('`--push.wait`');
});

test('examples/pushgw.yml is usable', () => {
  const example = readFileSync(new URL('../../examples/pushgw.yml', import.meta.url), 'utf8');
  const loaded = loadConfig({ argv: ['--config.file=x.yml'], env: {}, readFile: () => example });
  expect(loaded).toMatchObject({
    kind: 'config',
    warnings: [],
    config: { port: 9753, redis: { expirationMs: 300_000 } },
  });
});
