/** Reads the configuration file. Values stay texts until they are validated, except those of `ttl_rules`. */
import type { TtlRule } from '../config.ts';
import { duration } from '../settings/kinds.ts';
import type { Setting } from '../settings/setting.ts';
import { SETTINGS } from '../settings/settings.ts';
import { compileJobPattern } from '../values/ttl-rules.ts';
import type { RawSetting, ReadFile } from './raw-settings.ts';
import { YamlReader, type YamlFormat, type YamlValue } from './yaml-reader.ts';

const FORMAT: YamlFormat = {
  example: 'port: 9753',
  documentation: 'docs/configuration.md',
  ignoresEmptyTexts: false,
};
const TTL_RULES_HINT = 'expected a list of {job: PATTERN, ttl: DURATION}';

/** `name` is the file's name in faults. */
export function readConfigFile(content: string, name: string): ReadFile {
  const yaml = new YamlReader(content, name, FORMAT);
  const raw = new Map<string, RawSetting>();
  const ttlRules: TtlRule[] = [];
  const readSetting = (setting: Setting) => (value: YamlValue) => {
    const texts = setting.kind.list ? yaml.texts(value) : undefined;
    const text = texts?.join(',') ?? yaml.text(value);
    if (text !== undefined) raw.set(setting.name, { setting, text, label: value.key, place: ` (${value.place})` });
  };
  yaml.read(
    new Map([
      ...SETTINGS.flatMap((row) => (row.yaml === undefined ? [] : [[row.yaml, readSetting(row)] as const])),
      ['ttl_rules', (value: YamlValue) => void ttlRules.push(...readTtlRules(yaml, value))],
    ]),
  );
  return { raw, ttlRules, faults: yaml.faults };
}

function readTtlRules(yaml: YamlReader, value: YamlValue): TtlRule[] {
  const items = yaml.items(value);
  if (items === undefined) yaml.fault(value, TTL_RULES_HINT);
  return (items ?? []).flatMap((item) => {
    const fields = yaml.entries(item);
    if (fields === undefined || [...fields.keys()].some((word) => word !== 'job' && word !== 'ttl')) {
      yaml.fault(item, TTL_RULES_HINT);
      return [];
    }
    const field = (word: string) => fields.get(word) ?? { ...item, key: `${item.key}.${word}` };
    const job = yaml.parse(field('job'), { parse: compileJobPattern });
    const ttlMs = yaml.parse(field('ttl'), duration);
    return job === undefined || ttlMs === undefined ? [] : [{ job, ttlMs }];
  });
}
