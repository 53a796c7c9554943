/** From raw settings to a `Config`: parses each, derives those that follow from others, then checks them together. */
import { GatewayError } from '../../errors.ts';
import { parseEndpoints } from '../values/address.ts';
import type { Config, Role, TtlRule } from '../config.ts';
import { checkTogether } from './check.ts';
import { fault, type RawSetting, type RawSettings } from './raw-settings.ts';
import type { Host } from '../settings/setting.ts';
import { SETTINGS } from '../settings/settings.ts';
import { deepFreeze, setAt } from './object-paths.ts';

interface Read {
  readonly role: Role;
  readonly raw: RawSettings;
  readonly ttlRules: readonly TtlRule[];
}

type Validated =
  | { readonly config: Config; readonly warnings: readonly string[]; readonly faults: readonly [] }
  | { readonly config: undefined; readonly faults: readonly string[] };

type Mutable<T> = T extends RegExp | readonly unknown[]
  ? T
  : T extends object
    ? { -readonly [K in keyof T]: Mutable<T[K]> }
    : T;
type Draft = Mutable<Config>;

/** `readFile` reads the file of --redis.password-file. */
export function validate(read: Read, host: Host, readFile: (path: string) => string): Validated {
  const faults: string[] = [];
  const draft = parseAll(read, host, faults);
  fillFromEndpoints(draft, read.raw, faults);
  fillPassword(draft, read.raw, readFile, faults);
  fillTopology(draft);
  fillDurability(draft, read.raw);
  fillAddresses(draft);
  const { faults: conflicts, warnings } = checkTogether(draft, read.raw);
  faults.push(...conflicts);
  if (faults.length > 0) return { config: undefined, faults };
  return { config: deepFreeze(draft), warnings, faults: [] };
}

/** A value that cannot be used is reported and replaced by its default, so that the others are still checked. */
function parseAll(read: Read, host: Host, faults: string[]): Draft {
  const draft: Record<string, unknown> = { role: read.role, ttlRules: read.ttlRules };
  for (const setting of SETTINGS) {
    const standard = typeof setting.default === 'string' ? setting.default : setting.default(host);
    const raw = read.raw.get(setting.name);
    let value = raw && parseRaw(raw, faults);
    // Some kinds refuse '', but every default may be ''.
    value ??= standard === '' && setting.kind.quoted && !setting.kind.list ? '' : setting.kind.parse(standard);
    if (setting.path !== undefined) setAt(draft, setting.path, value);
  }
  // The compiler cannot see that it is complete: setting() checks each path and kind, a test that no leaf is missing.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return draft as unknown as Draft;
}

function parseRaw(raw: RawSetting, faults: string[]): unknown {
  try {
    return raw.setting.kind.parse(raw.text);
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    faults.push(fault(raw, error.message));
    return undefined;
  }
}

/** `redis://user:password@host/3` also sets what other settings set. */
function fillFromEndpoints({ redis }: Draft, raw: RawSettings, faults: string[]): void {
  const endpoint = raw.get('redis.endpoint');
  if (endpoint === undefined) return;
  const url = orUndefined(() => parseEndpoints(endpoint.text));
  if (url === undefined) return; // already reported
  const differs = (name: string, inUrl: unknown, set: unknown) => {
    const other = raw.get(name);
    if (other !== undefined && inUrl !== set) faults.push(fault(endpoint, `${other.label} has another value`));
  };
  if (url.username !== '') differs('redis.username', url.username, redis.username);
  if (url.password !== '') differs('redis.password', url.password, redis.password);
  if (url.db !== undefined) differs('redis.db', url.db, redis.db);
  if (url.tls) differs('redis.tls-enabled', true, redis.tls.enabled);
  redis.username ||= url.username;
  redis.password ||= url.password;
  redis.db ||= url.db ?? 0;
  redis.tls.enabled ||= url.tls;
}

function fillPassword({ redis }: Draft, raw: RawSettings, readFile: (path: string) => string, faults: string[]) {
  const file = raw.get('redis.password-file');
  if (file === undefined || redis.passwordFile === '') return;
  if (redis.password !== '') {
    faults.push(fault(file, 'expected the password once, it is also given elsewhere'));
    return;
  }
  const content = orUndefined(() => readFile(redis.passwordFile));
  // Whether a file ends with a line end depends on the tool that wrote it; the line end is never part of the password.
  const password = content?.replace(/\r?\n$/, '') ?? '';
  if (content === undefined) faults.push(fault(file, 'expected a file that can be read'));
  else if (password === '' || /[\r\n]/.test(password)) faults.push(fault(file, 'expected a file of one line'));
  redis.password = password;
}

/** Chooses as the predecessor's client does; if the mode remains `auto`, the server is asked. */
function fillTopology({ redis }: Draft): void {
  if (redis.mode !== 'auto') return;
  if (redis.masterName !== '') redis.mode = 'sentinel';
  else if (redis.endpoints.length > 1) redis.mode = 'cluster';
}

/** --redis.wait-replicas implies durability `replica`. */
function fillDurability({ push, redis }: Draft, raw: RawSettings): void {
  if (redis.waitReplicas > 0 && !raw.has('push.durability')) push.durability = 'replica';
}

function fillAddresses(draft: Draft): void {
  const { web } = draft;
  if (web.listen.length === 0) web.listen = [{ kind: 'tcp', host: '', port: draft.port }];
  const path =
    web.externalUrl.startsWith('/') || web.externalUrl === '' ? web.externalUrl : new URL(web.externalUrl).pathname;
  web.externalPrefix = path.replace(/\/+$/, '');
  if (web.routePrefix === '') web.routePrefix = web.externalPrefix;
  else if (web.routePrefix === '/') web.routePrefix = '';
}

function orUndefined<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
