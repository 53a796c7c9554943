/** Reads PUSHGATEWAY_* variables. An empty one counts as not set: Compose and Helm pass `${X:-}` that way. */
import { fault, type RawSetting, type RawSettings } from './raw-settings.ts';
import { didYouMean } from './did-you-mean.ts';
import { quoteName } from '../values/quote.ts';
import { envName, envPrefix } from '../settings/setting.ts';
import { settingByFlag } from '../settings/settings.ts';

const settingByEnv = new Map([...settingByFlag].map(([name, row]) => [envName(name), row]));

export type Environment = Readonly<Record<string, string | undefined>>;

export function readEnv(env: Environment): { given: RawSettings; faults: readonly string[] } {
  const given = new Map<string, RawSetting>();
  const faults: string[] = [];
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith(envPrefix) || text === undefined || text === '' || fromKubernetes(name, text)) continue;
    const setting = settingByEnv.get(name);
    if (setting === undefined) {
      const hint = didYouMean(name, settingByEnv.keys(), 'see pushgateway --help');
      faults.push(`cannot use unknown variable ${quoteName(name)}: ${hint}`);
      continue;
    }
    const entry: RawSetting = { setting, text, label: name, place: '' };
    const other = given.get(setting.name);
    if (other !== undefined && other.text !== text) faults.push(fault(entry, `${other.label} says otherwise`));
    given.set(setting.name, entry);
  }
  return { given, faults };
}

/**
 * Kubernetes tells every pod about every Service of its namespace: a Service called `pushgateway` or
 * `pushgateway-redis` yields PUSHGATEWAY_PORT=tcp://10.0.0.1:9753 and more, which nobody wrote for us.
 * https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
 */
function fromKubernetes(name: string, value: string): boolean {
  return (
    /_SERVICE_(?:HOST|PORT(?:_\w+)?)$/.test(name) ||
    /_PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?$/.test(name) ||
    (name.endsWith('_PORT') && /^(?:tcp|udp|sctp):\/\//.test(value))
  );
}
