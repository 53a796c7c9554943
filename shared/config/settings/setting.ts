/** A row of the table of settings, and the names that follow from that of its flag. */
import type { Config } from '../config.ts';
import type { Kind } from './kinds.ts';

/** Defaults may depend on these. */
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
  /** Dotted YAML key: `redis.endpoint`; undefined if the file cannot set it. */
  readonly yaml: string | undefined;
  /** The leaf of `Config` that it fills; undefined if the setting is accepted and ignored. */
  readonly path: string | undefined;
  readonly kind: Kind<unknown>;
  /** As on the command line; '' = none. */
  readonly default: string | ((host: Host) => string);
  /** The default in words, if it depends on the host or on other settings. */
  readonly defaultNote: string | undefined;
  readonly secret: boolean;
  readonly help: string;
}

/** Every dotted path to a leaf of T. */
type PathTo<T> = T extends Leaf
  ? never
  : { [K in keyof T & string]: T[K] extends Leaf ? K : `${K}.${PathTo<T[K]>}` }[keyof T & string];

type ValueAt<T, P extends string> = P extends `${infer K}.${infer Rest}`
  ? K extends keyof T
    ? ValueAt<T[K], Rest>
    : never
  : P extends keyof T
    ? T[P]
    : never;

type Leaf = string | number | boolean | readonly unknown[];

interface SettingDetails {
  readonly help: string;
  readonly default?: Setting['default'];
  readonly defaultNote?: string;
  readonly short?: string;
  readonly aliases?: readonly string[];
  readonly yaml?: string | null;
  readonly secret?: boolean;
}

/** Connects a flag with a leaf of `Config`; a kind that does not fit the leaf does not compile. */
export function setting<P extends PathTo<Config>>(
  name: string,
  path: P,
  kind: Kind<ValueAt<Config, P>>,
  details: SettingDetails,
): Setting {
  return row(name, path, kind, details);
}

/** A flag of a predecessor that has no meaning here. */
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

export const ENV_PREFIX = 'PUSHGATEWAY_';

export function envName(flagName: string): string {
  return ENV_PREFIX + flagName.toUpperCase().replaceAll(/[.-]/g, '_');
}

/** The first word of the flag is the section: `web.config.file` → `web.config_file`. */
function yamlKey(flagName: string): string {
  const [section = '', ...rest] = flagName.split('.').map((word) => word.replaceAll('-', '_'));
  return `${section}.${rest.join('_')}`;
}
