/** The text of `-h`, laid out as kingpin does: flags on the left, descriptions on the right. */
import { SETTINGS } from './settings/settings.ts';
import type { Setting } from './settings/setting.ts';

const INDENT = 2;
const GAP = 1;
/** Length of the predecessor's longest flag; a longer one has its description on the next line. */
const WIDEST_FLAG = 33;

/** `columns` is the width of the terminal; 100 if it is not from 80 to 200. */
export function helpText(columns = NaN): string {
  const width = columns >= 80 && columns <= 200 ? columns : 100;
  const rows = SETTINGS.map((row) => [flagOf(row), row.help + choicesOf(row)] as const);
  return [
    'usage: pushgateway [<flags>] [<role>]',
    '',
    'The Prometheus Redis Pushgateway',
    '',
    'Flags:',
    ...twoColumns([['-h, --help', 'Show this help.'], ...rows, ['    --version', 'Show the version.']], width),
    '',
    'Args:',
    ...twoColumns([['[<role>]', 'Role of this process. One of: [all, ingest, worker, reader]. Default: all']], width),
    '',
    ...wrap(
      '--no-FLAG turns a switch off. Each setting can also be given as an environment variable (--redis.endpoint is ' +
        'PUSHGATEWAY_REDIS_ENDPOINT) or in the configuration file. Flags take precedence over the environment, and ' +
        'the environment over the file. Durations are written as in Go: 250ms, 30s, 1h30m.',
      width,
    ),
    '',
  ].join('\n');
}

function flagOf({ name, short, kind, default: standard }: Setting): string {
  const names = `${short === undefined ? '   ' : `-${short},`} --${name}`;
  if (kind.isSwitch) return names;
  const value = typeof standard === 'string' && standard !== '' ? standard : undefined;
  if (value === undefined) return `${names}=${name.toUpperCase()}`;
  return `${names}=${kind.quoted ? JSON.stringify(value) : value}`;
}

function choicesOf({ kind, defaultNote }: Setting): string {
  const choices = kind.choices === undefined ? '' : ` One of: [${kind.choices.join(', ')}]`;
  return choices + (defaultNote === undefined ? '' : ` Default: ${defaultNote}.`);
}

function twoColumns(rows: readonly (readonly [string, string])[], width: number): readonly string[] {
  const widths = rows.map(([left]) => left.length).filter((length) => length <= WIDEST_FLAG);
  const column = Math.max(0, ...widths);
  const offset = INDENT + column + GAP;
  return rows.flatMap(([left, right]) => {
    const lines = wrap(right, width - offset).map((line) => ' '.repeat(offset) + line);
    const head = ' '.repeat(INDENT) + left;
    if (left.length > column) return [head, ...lines];
    return [head.padEnd(offset) + (lines[0] ?? '').slice(offset), ...lines.slice(1)];
  });
}

function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
