/** What reading yields: settings as texts, each with its origin, not yet validated. */
import type { TtlRule } from '../config.ts';
import type { Setting } from '../settings/setting.ts';
import { quoteRedacted } from '../values/redact.ts';

export interface RawSetting {
  readonly setting: Setting;
  readonly text: string;
  /** As the user wrote it: `--redis.timeout`, `PUSHGATEWAY_REDIS_TIMEOUT`, `redis.timeout`. */
  readonly label: string;
  /** '' or the place in the file, such as ` (pushgw.yml, line 3)`. */
  readonly place: string;
}

/** By setting name; of a setting that is given more than once, the last. */
export type RawSettings = ReadonlyMap<string, RawSetting>;

export interface ReadFile {
  readonly raw: RawSettings;
  readonly ttlRules: readonly TtlRule[];
  readonly faults: readonly string[];
}

/** `cannot use --redis.timeout "x": why` */
export function fault(raw: RawSetting, why: string): string {
  const value = raw.setting.secret ? '<secret>' : quoteRedacted(raw.text);
  return `cannot use ${raw.label} ${value}${raw.place}: ${why}`;
}
