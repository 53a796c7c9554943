/** The entry point: reads flags, environment and file, then validates them. */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { systemReason } from '../../errors.ts';
import type { Config } from '../config.ts';
import { helpText } from '../help.ts';
import type { Host } from '../settings/setting.ts';
import { versionText } from '../version.ts';
import { fault, type RawSetting, type RawSettings, type ReadFile } from './raw-settings.ts';
import { type Environment, readEnv } from './read-env.ts';
import { readConfigFile } from './read-file.ts';
import { readFlags } from './read-flags.ts';
import { validate } from './validate.ts';

export interface LoadInput {
  readonly argv: readonly string[];
  readonly env: Environment;
  readonly readFile: (path: string) => string;
  readonly host: Host;
}

export type Loaded =
  | { readonly kind: 'config'; readonly config: Config; readonly warnings: readonly string[] }
  | { readonly kind: 'help' | 'version'; readonly text: string }
  | { readonly kind: 'invalid'; readonly faults: readonly string[] };

/** Missing members of `input` are those of this process. Does not throw for anything that a user wrote. */
export function loadConfig(input: Partial<LoadInput> = {}): Loaded {
  const env = input.env ?? process.env;
  const readFile = input.readFile ?? ((path: string) => readFileSync(path, 'utf8'));
  const flags = readFlags(input.argv ?? process.argv.slice(2));
  if (flags.info === 'help') return { kind: 'help', text: helpText(Number(env['COLUMNS'])) };
  if (flags.info === 'version') return { kind: 'version', text: versionText() };

  const variables = readEnv(env);
  const file = loadFile(flags.raw.get('config.file') ?? variables.raw.get('config.file'), readFile);
  const raw: RawSettings = new Map([...file.raw, ...variables.raw, ...flags.raw]);
  const host = input.host ?? { cores: availableParallelism() };
  const result = validate({ role: flags.role, raw, ttlRules: file.ttlRules }, host, readFile);
  const faults = [...flags.faults, ...variables.faults, ...file.faults, ...result.faults];
  if (result.config === undefined || faults.length > 0) return { kind: 'invalid', faults };
  return { kind: 'config', config: result.config, warnings: result.warnings };
}

function loadFile(setting: RawSetting | undefined, readFile: (path: string) => string): ReadFile {
  const nothing = { raw: new Map<string, RawSetting>(), ttlRules: [] };
  if (setting === undefined || setting.text === '') return { ...nothing, faults: [] };
  let content: string;
  try {
    content = readFile(setting.text);
  } catch (thrown) {
    return { ...nothing, faults: [fault(setting, `expected a file that can be read, got ${systemReason(thrown)}`)] };
  }
  return readConfigFile(content, setting.text);
}
