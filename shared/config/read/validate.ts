/** From what was given to a `Config`: parse each, fill in what follows from others, then check them together. */
import { GatewayError } from '../../errors.ts';
import { parseEndpoints } from '../values/address.ts';
import type { Config, Role, TtlRule } from '../config.ts';
import { checkTogether } from './check.ts';
import { fault, type RawSetting, type RawSettings } from './raw-settings.ts';
import type { Host } from '../settings/setting.ts';
import { settings } from '../settings/settings.ts';
import { deepFreeze, setAt } from './object-paths.ts';

export interface Read {
  readonly role: Role;
  readonly given: RawSettings;
  readonly ttlRules: readonly TtlRule[];
}

export type Validated =
  | { readonly config: Config; readonly warnings: readonly string[]; readonly faults: readonly [] }
  | { readonly config: undefined; readonly faults: readonly string[] };

type Mutable<T> = T extends RegExp | readonly unknown[]
  ? T
  : T extends object
    ? { -readonly [K in keyof T]: Mutable<T[K]> }
    : T;
export type Draft = Mutable<Config>;

/** Reads no file but the password's, through `readFile`. */
export function validate(read: Read, host: Host, readFile: (path: string) => string): Validated {
  const faults: string[] = [];
  const draft = parseAll(read, host, faults);
  fillFromEndpoints(draft, read.given, faults);
  fillPassword(draft, read.given, readFile, faults);
  fillTopology(draft);
  fillDurability(draft, read.given);
  fillAddresses(draft);
  const { faults: conflicts, warnings } = checkTogether(draft, read.given);
  faults.push(...conflicts);
  if (faults.length > 0) return { config: undefined, faults };
  return { config: deepFreeze(draft), warnings, faults: [] };
}

/** A value that is not usable is reported and replaced by its default, so that the others are still checked. */
function parseAll(read: Read, host: Host, faults: string[]): Draft {
  const draft: Record<string, unknown> = { role: read.role, ttlRules: read.ttlRules };
  for (const setting of settings) {
    const standard = typeof setting.default === 'string' ? setting.default : setting.default(host);
    const given = read.given.get(setting.name);
    let value = given && parseGiven(given, faults);
    // Only defaults may be '' where a kind wants more.
    value ??= standard === '' && setting.kind.quoted && !setting.kind.list ? '' : setting.kind.parse(standard);
    if (setting.path !== undefined) setAt(draft, setting.path, value);
  }
  // The one place where the table is taken at its word; `setting()` has checked every path and kind, and a test
  // checks that no leaf is missing.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return draft as unknown as Draft;
}

function parseGiven(given: RawSetting, faults: string[]): unknown {
  try {
    return given.setting.kind.parse(given.text);
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    faults.push(fault(given, error.message));
    return undefined;
  }
}

/** `redis://user:password@host/3` says what other settings say too. */
function fillFromEndpoints({ redis }: Draft, given: RawSettings, faults: string[]): void {
  const endpoint = given.get('redis.endpoint');
  if (endpoint === undefined) return;
  const url = orUndefined(() => parseEndpoints(endpoint.text));
  if (url === undefined) return; // already reported
  const differs = (name: string, inUrl: unknown, set: unknown) => {
    const other = given.get(name);
    if (other !== undefined && inUrl !== set) faults.push(fault(endpoint, `${other.label} says otherwise`));
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

function fillPassword({ redis }: Draft, given: RawSettings, readFile: (path: string) => string, faults: string[]) {
  const file = given.get('redis.password-file');
  if (file === undefined || redis.passwordFile === '') return;
  if (redis.password !== '') {
    faults.push(fault(file, 'the password is given elsewhere too, give it once'));
    return;
  }
  const content = orUndefined(() => readFile(redis.passwordFile));
  // Editors and `kubectl create secret` differ on the line end, nobody means it.
  const password = content?.replace(/\r?\n$/, '') ?? '';
  if (content === undefined) faults.push(fault(file, 'expected a file that can be read'));
  else if (password === '' || /[\r\n]/.test(password)) faults.push(fault(file, 'expected a file of one line'));
  redis.password = password;
}

/** As the predecessor's client chose it; what remains `auto` is asked of the server. */
function fillTopology({ redis }: Draft): void {
  if (redis.mode !== 'auto') return;
  if (redis.masterName !== '') redis.mode = 'sentinel';
  else if (redis.endpoints.length > 1) redis.mode = 'cluster';
}

/** To ask for replicas is to ask for that level. */
function fillDurability({ push, redis }: Draft, given: RawSettings): void {
  if (redis.waitReplicas > 0 && !given.has('push.durability')) push.durability = 'replica';
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
