/** Reads the command line as kingpin does, the library of both predecessors. */
import { parseArgs } from 'node:util';
import { type Role, ROLES } from '../config.ts';
import { fault, type RawSetting, type RawSettings } from './raw-settings.ts';
import { didYouMean } from './did-you-mean.ts';
import { quoteRedacted, quoteName } from '../values/redact.ts';
import type { Setting } from '../settings/setting.ts';
import { SETTING_BY_FLAG, SETTINGS } from '../settings/settings.ts';

interface ReadFlags {
  readonly raw: RawSettings;
  readonly role: Role;
  /** The first of --help and --version on the command line; faults are then ignored. */
  readonly info: 'help' | 'version' | undefined;
  readonly faults: readonly string[];
}

/** kingpin also has the two long forms of help. */
const INFO_FLAGS: ReadonlyMap<string, 'help' | 'version'> = new Map([
  ['help', 'help'],
  ['help-long', 'help'],
  ['help-man', 'help'],
  ['version', 'version'],
]);

const OPTIONS = {
  ...Object.fromEntries([...INFO_FLAGS.keys()].map((name) => [name, { type: 'boolean' as const }])),
  help: { type: 'boolean' as const, short: 'h' },
  ...Object.fromEntries([...SETTING_BY_FLAG].map(([name, row]) => [name, optionOf(name, row)])),
};

const LONG_FLAGS = [...SETTINGS.map((row) => `--${row.name}`), '--help', '--version'];

function optionOf(name: string, { short, kind, name: main }: Setting): { type: 'string' | 'boolean'; short?: string } {
  const type = kind.isSwitch ? 'boolean' : 'string';
  // An alias has no short form: parseArgs accepts each letter once.
  return short === undefined || name !== main ? { type } : { type, short };
}

/** An argument that is not a flag. */
interface Word {
  readonly text: string;
  /** Set right after such a flag: the word may then be part of the flag's value, even of a secret, and is not shown. */
  readonly after: 'secret' | 'unknown' | undefined;
}

type Token = NonNullable<ReturnType<typeof parseArgs>['tokens']>[number];
type OptionToken = Extract<Token, { kind: 'option' }>;

export function readFlags(argv: readonly string[]): ReadFlags {
  const { tokens } = parseArgs({
    args: [...argv],
    options: OPTIONS,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const raw = new Map<string, RawSetting>();
  const faults: string[] = [];
  const words: Word[] = [];
  let info: ReadFlags['info'];
  // parseArgs splits `-xyz`; after an unknown letter the rest of the argument is ignored.
  let unknownAt = -1;
  let after: Word['after'];
  let afterAt = -1;

  for (const token of tokens) {
    if (token.kind === 'positional') {
      words.push({ text: token.value, after: token.index === afterAt ? after : undefined });
    } else if (token.kind === 'option' && token.index !== unknownAt) {
      const asked = token.value === undefined ? INFO_FLAGS.get(token.name) : undefined;
      info ??= asked;
      if (asked !== undefined) continue;
      const row = SETTING_BY_FLAG.get(token.name) ?? negated(token);
      if (row === undefined) {
        faults.push(unknownFlag(token));
        unknownAt = token.index;
        [after, afterAt] = ['unknown', token.index + 1];
        continue;
      }
      const result = readOption(row, token, raw.get(row.name));
      if (typeof result === 'string') faults.push(result);
      else raw.set(row.name, result);
      if (row.secret) [after, afterAt] = ['secret', token.index + (token.inlineValue === false ? 2 : 1)];
    }
  }
  const role = readRole(words, faults);
  return { raw, role, info, faults };
}

function negated(token: OptionToken): Setting | undefined {
  const row = token.name.startsWith('no-') ? SETTING_BY_FLAG.get(token.name.slice(3)) : undefined;
  return row?.kind.isSwitch ? row : undefined;
}

function readOption(setting: Setting, token: OptionToken, before: RawSetting | undefined): RawSetting | string {
  const label = token.rawName;
  const entry = (text: string): RawSetting => ({ setting, text, label, place: '' });
  if (setting.kind.isSwitch) {
    const isNegated = SETTING_BY_FLAG.get(token.name) === undefined;
    if (!isNegated) return entry(token.value ?? 'true');
    return token.value === undefined ? entry('false') : fault(entry(token.value), `expected no value after ${label}`);
  }
  const how = `expected a value, as in ${label}=VALUE`;
  if (token.value === undefined) return `cannot use ${label}: ${how}`;
  // `--redis.endpoint --port=1`: the value is missing; it is not "--port=1".
  if (!token.inlineValue && /^--?[a-z]/i.test(token.value)) return fault(entry(token.value), how);
  return entry(setting.kind.repeatable && before !== undefined ? `${before.text},${token.value}` : token.value);
}

function unknownFlag(token: OptionToken): string {
  // A single letter is close to every other.
  const known = token.rawName.startsWith('--') ? LONG_FLAGS : [];
  const hint = didYouMean(token.rawName, known, 'see pushgateway --help');
  return `cannot use unknown flag ${quoteName(token.rawName)}: ${hint}`;
}

function readRole(words: readonly Word[], faults: string[]): Role {
  const isRole = (word: Word) => ROLES.some((name) => name === word.text);
  // A word after an unknown flag is most likely its value, and the flag is reported already.
  const [word, ...others] = words.filter((each) => each.after !== 'unknown' || isRole(each));
  const role = ROLES.find((name) => name === word?.text);
  if (word !== undefined && role === undefined) {
    faults.push(`cannot use role ${shown(word)}: expected one of ${ROLES.join(', ')}`);
  }
  for (const other of others) faults.push(`cannot use argument ${shown(other)}: expected one role at most`);
  return role ?? 'all';
}

function shown(word: Word): string {
  return word.after === undefined ? quoteRedacted(word.text) : '<secret> (a value with blanks must be quoted)';
}
