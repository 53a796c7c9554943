/** Reads PUSHGATEWAY_* variables. An empty one counts as not set: Compose and Helm pass `${X:-}` that way. */
import { ENV_PREFIX, envName } from '../settings/setting.ts';
import { SETTING_BY_FLAG } from '../settings/settings.ts';
import { quoteName } from '../values/redact.ts';
import { didYouMean } from './did-you-mean.ts';
import { fault, type RawSetting, type RawSettings } from './raw-settings.ts';

const SETTING_BY_ENV = new Map([...SETTING_BY_FLAG].map(([name, row]) => [envName(name), row]));

export type Environment = Readonly<Record<string, string | undefined>>;

export function readEnv(env: Environment): { raw: RawSettings; faults: readonly string[] } {
  const raw = new Map<string, RawSetting>();
  const faults: string[] = [];
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith(ENV_PREFIX) || text === undefined || text === '' || isFromKubernetes(name, text)) continue;
    const setting = SETTING_BY_ENV.get(name);
    if (setting === undefined) {
      const hint = didYouMean(name, SETTING_BY_ENV.keys(), 'see pushgateway --help');
      faults.push(`cannot use unknown variable ${quoteName(name)}: ${hint}`);
      continue;
    }
    const entry: RawSetting = { setting, text, label: name, place: '' };
    const other = raw.get(setting.name);
    if (other !== undefined && other.text !== text) faults.push(fault(entry, `${other.label} has another value`));
    raw.set(setting.name, entry);
  }
  return { raw, faults };
}

/**
 * Kubernetes passes variables for each Service of the namespace to every pod: a Service named `pushgateway` or
 * `pushgateway-redis` yields PUSHGATEWAY_PORT=tcp://10.0.0.1:9753 and more, which are not meant for this program.
 * https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
 */
function isFromKubernetes(name: string, value: string): boolean {
  return (
    /_SERVICE_(?:HOST|PORT(?:_\w+)?)$/.test(name) ||
    /_PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?$/.test(name) ||
    (name.endsWith('_PORT') && /^(?:tcp|udp|sctp):\/\//.test(value))
  );
}
