/** Reads the command line the way kingpin does, which both predecessors use. */
import { parseArgs } from 'node:util';
import { type Role, roles } from '../config.ts';
import { fault, type RawSetting, type RawSettings } from './raw-settings.ts';
import { didYouMean } from './did-you-mean.ts';
import { quote, quoteName } from '../values/quote.ts';
import type { Setting } from '../settings/setting.ts';
import { settingByFlag, settings } from '../settings/settings.ts';

export interface ReadFlags {
  readonly given: RawSettings;
  readonly role: Role;
  /** The first of them on the command line; wins over every fault. */
  readonly asked: 'help' | 'version' | undefined;
  readonly faults: readonly string[];
}

/** kingpin has the two long forms of help as well. */
const questions: ReadonlyMap<string, 'help' | 'version'> = new Map([
  ['help', 'help'],
  ['help-long', 'help'],
  ['help-man', 'help'],
  ['version', 'version'],
]);

const options = {
  ...Object.fromEntries([...questions.keys()].map((name) => [name, { type: 'boolean' as const }])),
  help: { type: 'boolean' as const, short: 'h' },
  ...Object.fromEntries([...settingByFlag].map(([name, row]) => [name, optionOf(name, row)])),
};

function optionOf(name: string, { short, kind, name: main }: Setting): { type: 'string' | 'boolean'; short?: string } {
  const type = kind.isSwitch ? 'boolean' : 'string';
  // An alias has no short form, or parseArgs would have two of the same letter.
  return short === undefined || name !== main ? { type } : { type, short };
}

/** An argument that is no flag. Right after these it may be (part of) their value, even a secret: not to be shown. */
interface Word {
  readonly text: string;
  readonly after: 'secret' | 'unknown' | undefined;
}

type Token = NonNullable<ReturnType<typeof parseArgs>['tokens']>[number];
type OptionToken = Extract<Token, { kind: 'option' }>;

export function readFlags(argv: readonly string[]): ReadFlags {
  const { tokens } = parseArgs({ args: [...argv], options, strict: false, allowPositionals: true, tokens: true });
  const given = new Map<string, RawSetting>();
  const faults: string[] = [];
  const words: Word[] = [];
  let asked: ReadFlags['asked'];
  // parseArgs takes `-xyz` apart; after an unknown letter the rest of the argument means nothing.
  let unknownAt = -1;
  let after: Word['after'];
  let afterAt = -1;

  for (const token of tokens) {
    if (token.kind === 'positional') {
      words.push({ text: token.value, after: token.index === afterAt ? after : undefined });
    } else if (token.kind === 'option' && token.index !== unknownAt) {
      const question = token.value === undefined ? questions.get(token.name) : undefined;
      asked ??= question;
      if (question !== undefined) continue;
      const row = settingByFlag.get(token.name) ?? negated(token);
      if (row === undefined) {
        faults.push(unknownFlag(token));
        unknownAt = token.index;
        [after, afterAt] = ['unknown', token.index + 1];
        continue;
      }
      const result = readOption(row, token, given.get(row.name));
      if (typeof result === 'string') faults.push(result);
      else given.set(row.name, result);
      if (row.secret) [after, afterAt] = ['secret', token.index + (token.inlineValue === false ? 2 : 1)];
    }
  }
  const role = readRole(words, faults);
  return { given, role, asked, faults };
}

function negated(token: OptionToken): Setting | undefined {
  const row = token.name.startsWith('no-') ? settingByFlag.get(token.name.slice(3)) : undefined;
  return row?.kind.isSwitch ? row : undefined;
}

function readOption(setting: Setting, token: OptionToken, before: RawSetting | undefined): RawSetting | string {
  const label = token.rawName;
  const entry = (text: string): RawSetting => ({ setting, text, label, place: '' });
  if (setting.kind.isSwitch) {
    const isNegated = settingByFlag.get(token.name) === undefined;
    if (!isNegated) return entry(token.value ?? 'true');
    return token.value === undefined ? entry('false') : fault(entry(token.value), `expected no value after ${label}`);
  }
  const how = `expected a value, as in ${label}=VALUE`;
  if (token.value === undefined) return `cannot use ${label}: ${how}`;
  // `--redis.endpoint --port=1`: the value was forgotten, not meant to be "--port=1".
  if (!token.inlineValue && /^--?[a-z]/i.test(token.value)) return fault(entry(token.value), how);
  return entry(setting.kind.repeatable && before !== undefined ? `${before.text},${token.value}` : token.value);
}

function unknownFlag(token: OptionToken): string {
  // A single letter is close to every other.
  const isLong = token.rawName.startsWith('--');
  const known = isLong ? [...settings.map((row) => `--${row.name}`), '--help', '--version'] : [];
  return `cannot use unknown flag ${quoteName(token.rawName)}: ${didYouMean(token.rawName, known, 'see pushgateway --help')}`;
}

function readRole(words: readonly Word[], faults: string[]): Role {
  const isRole = (word: Word) => roles.some((name) => name === word.text);
  // What follows an unknown flag was most likely its value; the flag is fault enough.
  const [word, ...others] = words.filter((each) => each.after !== 'unknown' || isRole(each));
  const role = roles.find((name) => name === word?.text);
  if (word !== undefined && role === undefined) {
    faults.push(`cannot use role ${shown(word)}: expected one of ${roles.join(', ')}`);
  }
  for (const other of others) faults.push(`cannot use argument ${shown(other)}: expected one role at most`);
  return role ?? 'all';
}

function shown(word: Word): string {
  return word.after === undefined ? quote(word.text) : '<secret> (a value with blanks must be quoted)';
}
