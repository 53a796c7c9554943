/** What reading yields: texts, each with where it came from. Nothing is judged yet. */
import type { TtlRule } from '../config.ts';
import { quote } from '../values/quote.ts';
import type { Setting } from '../settings/setting.ts';

export interface Given {
  readonly setting: Setting;
  readonly text: string;
  /** As the user wrote it: `--redis.timeout`, `PUSHGATEWAY_REDIS_TIMEOUT`, `redis.timeout`. */
  readonly label: string;
  /** '' or where to look, such as ` (pushgw.yml, line 3)`. */
  readonly place: string;
}

/** By setting name; for each setting only what was given last. */
export type GivenSettings = ReadonlyMap<string, Given>;

export interface ReadFile {
  readonly given: GivenSettings;
  readonly ttlRules: readonly TtlRule[];
  readonly faults: readonly string[];
}

/** "cannot use --redis.timeout "x": why". */
export function fault(given: Given, why: string): string {
  const value = given.setting.secret ? '<secret>' : quote(given.text);
  return `cannot use ${given.label} ${value}${given.place}: ${why}`;
}

export function suggestion(found: string | undefined, otherwise: string): string {
  return found === undefined ? otherwise : `did you mean ${found}?`;
}
