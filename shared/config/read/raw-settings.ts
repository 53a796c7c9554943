/** What reading yields: texts, each with where it came from. Nothing is judged yet. */
import type { TtlRule } from '../config.ts';
import { quote } from '../values/quote.ts';
import type { Setting } from '../settings/setting.ts';

export interface RawSetting {
  readonly setting: Setting;
  readonly text: string;
  /** As the user wrote it: `--redis.timeout`, `PUSHGATEWAY_REDIS_TIMEOUT`, `redis.timeout`. */
  readonly label: string;
  /** '' or where to look, such as ` (pushgw.yml, line 3)`. */
  readonly place: string;
}

/** By setting name; for each setting only what was given last. */
export type RawSettings = ReadonlyMap<string, RawSetting>;

export interface ReadFile {
  readonly given: RawSettings;
  readonly ttlRules: readonly TtlRule[];
  readonly faults: readonly string[];
}

/** "cannot use --redis.timeout "x": why". */
export function fault(given: RawSetting, why: string): string {
  const value = given.setting.secret ? '<secret>' : quote(given.text);
  return `cannot use ${given.label} ${value}${given.place}: ${why}`;
}
