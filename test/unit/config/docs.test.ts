import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { loadConfig } from '../../../shared/config/read/load.ts';
import type { Setting } from '../../../shared/config/settings/setting.ts';
import { SETTINGS } from '../../../shared/config/settings/settings.ts';

const fileUrl = new URL('../../../docs/configuration.md', import.meta.url);

const BEGIN = '<!-- settings: written from shared/config/settings/settings.ts, see test/unit/config/docs.test.ts -->';
const END = '<!-- end of settings -->';

/** The document with the current table of settings. */
function withSettingsTable(document: string): string {
  const [before = '', rest = ''] = document.split(BEGIN);
  return `${before}${BEGIN}\n\n${settingsTable()}\n${rest.slice(rest.indexOf(END))}`;
}

function settingsTable(): string {
  const rows = SETTINGS.map((row) => {
    const short = row.short === undefined ? '' : `\`-${row.short}\`, `;
    const cells = [`${short}\`--${row.name}\``, `\`${row.env}\``, code(row.yaml), defaultOf(row), helpOf(row)];
    return `| ${cells.map((cell) => cell.replaceAll('|', String.raw`\|`)).join(' | ')} |\n`;
  });
  return `| Flag | Environment | File | Default | What it does |\n|---|---|---|---|---|\n${rows.join('')}`;
}

function helpOf({ help, kind, aliases }: Setting): string {
  const choices = kind.choices === undefined ? '' : ` One of ${kind.choices.map(code).join(', ')}.`;
  return help + choices + aliases.map((alias) => ` Also \`--${alias}\`.`).join('');
}

function defaultOf({ default: standard, defaultNote, kind }: Setting): string {
  if (defaultNote !== undefined) return defaultNote;
  return kind.isSwitch ? 'off' : code(standard === '' ? undefined : String(standard));
}

function code(text: string | undefined): string {
  return text === undefined ? '' : `\`${text}\``;
}

// To write the table: npx vitest run test/unit/config/docs.test.ts -u
test('docs/configuration.md has the current table of settings', async () => {
  await expect(withSettingsTable(readFileSync(fileUrl, 'utf8'))).toMatchFileSnapshot(fileUrl.pathname);
});

test('the table can be found in the document', () => {
  const document = readFileSync(fileUrl, 'utf8');
  for (const { name } of SETTINGS) expect(document).toContain(`\`--${name}\``);
  expect(withSettingsTable(document.replace('`--push.wait`', 'stale'))).toContain('`--push.wait`');
});

test('examples/pushgw.yml can be used', () => {
  const example = readFileSync(new URL('../../../examples/pushgw.yml', import.meta.url), 'utf8');
  const loaded = loadConfig({ argv: ['--config.file=x.yml'], env: {}, readFile: () => example });
  expect(loaded).toMatchObject({
    kind: 'config',
    warnings: [],
    config: { port: 9753, redis: { expirationMs: 300_000 } },
  });
});
