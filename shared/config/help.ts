/** `-h`, laid out as kingpin does it: flags left, what they do right. */
import { settings } from './settings/settings.ts';
import type { Setting } from './settings/setting.ts';

const indent = 2;
const gap = 1;
/** Longer flags stand on a line of their own; this is the longest of the predecessor. */
const widestFlag = 33;

/** `columns` is the terminal's width; anything unusable means 100. */
export function helpText(columns = NaN): string {
  const width = columns >= 80 && columns <= 200 ? columns : 100;
  const rows = settings.map((row) => [flagOf(row), row.help + choicesOf(row)] as const);
  return [
    'usage: pushgateway [<flags>] [<role>]',
    '',
    'The Prometheus Redis Pushgateway',
    '',
    'Flags:',
    ...twoColumns([['-h, --help', 'Show this help.'], ...rows, ['    --version', 'Show the version.']], width),
    '',
    'Args:',
    ...twoColumns([['[<role>]', 'What this process does. One of: [all, ingest, worker, reader]. Default: all']], width),
    '',
    ...wrap(
      'A switch is turned off with --no-FLAG. Each flag may also be given as an environment variable (--redis.endpoint ' +
        'is PUSHGATEWAY_REDIS_ENDPOINT) or in the configuration file; a flag wins over the environment, the ' +
        'environment over the file. Durations are written as in Go: 250ms, 30s, 1h30m.',
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
  const widths = rows.map(([left]) => left.length).filter((length) => length <= widestFlag);
  const column = Math.max(0, ...widths);
  const offset = indent + column + gap;
  return rows.flatMap(([left, right]) => {
    const lines = wrap(right, width - offset).map((line) => ' '.repeat(offset) + line);
    const head = ' '.repeat(indent) + left;
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
