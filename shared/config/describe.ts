/** Settings as texts: in force (for the status page and API), and as a table for the documentation. */
import type { Config } from './config.ts';
import type { Setting } from './settings/setting.ts';
import { settings } from './settings/settings.ts';
import { valueAt } from './read/object-paths.ts';

/** Flag name → value in force. A secret that is set shows as `<secret>`. */
export function describeConfig(config: Config): Readonly<Record<string, string>> {
  return Object.fromEntries(
    settings.flatMap(({ name, path, kind, secret }) => {
      if (path === undefined) return [];
      const value = kind.format(valueAt(config, path));
      return [[name, secret && value !== '' ? '<secret>' : value]];
    }),
  );
}

const begin = '<!-- settings: written from shared/config/settings/settings.ts, see test/unit/config-docs.test.ts -->';
const end = '<!-- end of settings -->';

/** The document with its table as the settings are now. */
export function withSettingsTable(document: string): string {
  const [before = '', rest = ''] = document.split(begin);
  return `${before}${begin}\n\n${settingsTable()}\n${rest.slice(rest.indexOf(end))}`;
}

function settingsTable(): string {
  const rows = settings.map((row) => {
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
