/** One row of the table of settings, and everything that follows from its name. */
import type { Config } from '../config.ts';
import type { Kind } from './kinds.ts';

/** What a default may depend on. */
export interface Host {
  readonly cores: number;
}

export interface Setting {
  /** The flag without its dashes: `redis.endpoint`. */
  readonly name: string;
  readonly short: string | undefined;
  /** Other names of the same flag; not shown in the help. */
  readonly aliases: readonly string[];
  /** `PUSHGATEWAY_REDIS_ENDPOINT`. */
  readonly env: string;
  /** Dotted YAML key: `redis.endpoint`; undefined when the file cannot say it. */
  readonly yaml: string | undefined;
  /** The leaf of `Config` it fills; undefined when it is accepted and ignored. */
  readonly path: string | undefined;
  readonly kind: Kind<unknown>;
  /** As it would be written on the command line; '' = none. */
  readonly default: string | ((host: Host) => string);
  /** Says in words what a default that depends on the host is. */
  readonly defaultNote: string | undefined;
  readonly secret: boolean;
  readonly help: string;
}

/** Every dotted path to a leaf of T. */
export type PathTo<T> = T extends Leaf
  ? never
  : { [K in keyof T & string]: T[K] extends Leaf ? K : `${K}.${PathTo<T[K]>}` }[keyof T & string];

export type ValueAt<T, P extends string> = P extends `${infer K}.${infer Rest}`
  ? K extends keyof T
    ? ValueAt<T[K], Rest>
    : never
  : P extends keyof T
    ? T[P]
    : never;

type Leaf = string | number | boolean | readonly unknown[];

export interface SettingDetails {
  readonly help: string;
  readonly default?: Setting['default'];
  readonly defaultNote?: string;
  readonly short?: string;
  readonly aliases?: readonly string[];
  readonly yaml?: string | null;
  readonly secret?: boolean;
}

/** Ties a flag to a leaf of `Config`: the compiler refuses a kind that does not fit the leaf. */
export function setting<P extends PathTo<Config>>(
  name: string,
  path: P,
  kind: Kind<ValueAt<Config, P>>,
  details: SettingDetails,
): Setting {
  return row(name, path, kind, details);
}

/** A flag of the official gateway that has no meaning here. */
export function ignoredSetting(name: string, kind: Kind<unknown>, details: SettingDetails): Setting {
  return row(name, undefined, kind, details);
}

function row(name: string, path: string | undefined, kind: Kind<unknown>, details: SettingDetails): Setting {
  return {
    name,
    short: details.short,
    aliases: details.aliases ?? [],
    env: envName(name),
    yaml: details.yaml === null ? undefined : (details.yaml ?? yamlKey(name)),
    path,
    kind,
    default: details.default ?? (kind.isSwitch ? 'false' : ''),
    defaultNote: details.defaultNote,
    secret: details.secret ?? false,
    help: details.help,
  };
}

export const envPrefix = 'PUSHGATEWAY_';

export function envName(flagName: string): string {
  return envPrefix + flagName.toUpperCase().replaceAll(/[.-]/g, '_');
}

/** The first word of the flag is the section: `web.config.file` → `web.config_file`. */
function yamlKey(flagName: string): string {
  const [section = '', ...rest] = flagName.split('.').map((word) => word.replaceAll('-', '_'));
  return `${section}.${rest.join('_')}`;
}
