/** The way in: read flags, environment and file, then validate. */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { GatewayError, systemReason } from '../../errors.ts';
import type { Config } from '../config.ts';
import { fault, type RawSetting, type RawSettings, type ReadFile } from './raw-settings.ts';
import { helpText } from '../help.ts';
import { type Environment, readEnv } from './read-env.ts';
import { readConfigFile } from './read-file.ts';
import { readFlags } from './read-flags.ts';
import type { Host } from '../settings/setting.ts';
import { validate } from './validate.ts';
import { versionText } from '../version.ts';

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

/** Whatever is not given is that of this process. Never throws for what a user wrote. */
export function loadConfig(input: Partial<LoadInput> = {}): Loaded {
  const env = input.env ?? process.env;
  const readFile = input.readFile ?? ((path: string) => readFileSync(path, 'utf8'));
  const flags = readFlags(input.argv ?? process.argv.slice(2));
  if (flags.asked === 'help') return { kind: 'help', text: helpText(Number(env['COLUMNS'])) };
  if (flags.asked === 'version') return { kind: 'version', text: versionText() };

  const variables = readEnv(env);
  const file = loadFile(flags.given.get('config.file') ?? variables.given.get('config.file'), readFile);
  const given: RawSettings = new Map([...file.given, ...variables.given, ...flags.given]);
  const result = validate(
    { role: flags.role, given, ttlRules: file.ttlRules },
    input.host ?? { cores: availableParallelism() },
    readFile,
  );
  const faults = [...flags.faults, ...variables.faults, ...file.faults, ...result.faults];
  if (result.config === undefined || faults.length > 0) return { kind: 'invalid', faults };
  return { kind: 'config', config: result.config, warnings: result.warnings };
}

function loadFile(named: RawSetting | undefined, readFile: (path: string) => string): ReadFile {
  const nothing = { given: new Map<string, RawSetting>(), ttlRules: [] };
  if (named === undefined || named.text === '') return { ...nothing, faults: [] };
  let content: string;
  try {
    content = readFile(named.text);
  } catch (error) {
    return { ...nothing, faults: [fault(named, `expected a file that can be read, got ${systemReason(error)}`)] };
  }
  return readConfigFile(content, named.text);
}

/** For tests and tools: the configuration these flags alone make. Throws GatewayError `config_invalid`. */
export function configFromFlags(...argv: readonly string[]): Config {
  const loaded = loadConfig({ argv, env: {} });
  if (loaded.kind === 'config') return loaded.config;
  throw new GatewayError('config_invalid', loaded.kind === 'invalid' ? loaded.faults.join('\n') : loaded.kind);
}
