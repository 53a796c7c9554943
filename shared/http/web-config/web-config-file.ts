/**
 * Reads the web configuration file as the Prometheus exporter toolkit defines it
 * (https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md). Pure: tls-settings.ts reads
 * the certificates that it names.
 *
 * A fault never holds a secret: no key, no password hash, and no line of the file.
 */
import { validateHeaderValue } from 'node:http';
import { dirname, resolve } from 'node:path';
import { didYouMean } from '../../config/read/did-you-mean.ts';
import {
  textOf,
  YamlReader,
  type DescribeFault,
  type YamlFormat,
  type YamlValue,
} from '../../config/read/yaml-reader.ts';
import { duration, flag, integer, oneOf } from '../../config/settings/kinds.ts';
import {
  CIPHER_SUITES,
  CLIENT_AUTH_TYPES,
  CURVES,
  HTTP2_CIPHER_SUITES,
  TLS_VERSION_NAMES,
  type ClientAuthType,
  type TlsVersion,
} from './tls-names.ts';

export interface WebConfigFile {
  /** Undefined = plain HTTP. */
  readonly tls: TlsFile | undefined;
  readonly http2: boolean;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** User → bcrypt hash; none = no authentication. */
  readonly users: ReadonlyMap<string, string>;
  readonly rateLimit: RateLimit | undefined;
}

/** The TLS section, before its files are read and its values are checked together. Absolute paths; '' = not given. */
export interface TlsFile {
  readonly certFile: string;
  readonly keyFile: string;
  readonly clientCaFile: string;
  readonly cert: string;
  readonly key: string;
  readonly clientCa: string;
  readonly clientAuth: ClientAuthType;
  /** A client's certificate must have one of these names; undefined = any name. */
  readonly allowedSans: readonly string[] | undefined;
  readonly minVersion: TlsVersion;
  readonly maxVersion: TlsVersion;
  /** Names as in Go; none = Go's default list. */
  readonly cipherSuites: readonly string[];
  /** Names as in Go; none = OpenSSL's default list. */
  readonly curves: readonly string[];
  readonly preferServerCiphers: boolean;
}

/** One token per `intervalMs`; up to `burst` tokens are kept. */
export interface RateLimit {
  readonly intervalMs: number;
  readonly burst: number;
}

export interface ReadWebConfig {
  readonly file: WebConfigFile;
  readonly faults: readonly string[];
  /** Words a fault that is found later. */
  readonly describeFault: DescribeFault;
}

export const PLAIN_TLS: TlsFile = {
  certFile: '',
  keyFile: '',
  clientCaFile: '',
  cert: '',
  key: '',
  clientCa: '',
  clientAuth: 'NoClientCert',
  allowedSans: undefined,
  minVersion: 'TLS12',
  maxVersion: 'TLS13',
  cipherSuites: [],
  curves: [],
  preferServerCiphers: true,
};

export const NO_WEB_CONFIG: WebConfigFile = {
  tls: undefined,
  http2: true,
  headers: [],
  users: new Map(),
  rateLimit: undefined,
};

const FORMAT: YamlFormat = {
  example: 'tls_server_config',
  documentation: 'docs/web-config.md',
  // As in the toolkit.
  ignoresEmptyTexts: true,
};
const TLS = 'tls_server_config';

/** The headers that can be set; some have only the listed values, as in the toolkit. */
const HEADER_VALUES: ReadonlyMap<string, readonly string[]> = new Map([
  ['Content-Security-Policy', []],
  ['X-Frame-Options', ['deny', 'sameorigin']],
  ['X-Content-Type-Options', ['nosniff']],
  ['X-XSS-Protection', []],
  ['Strict-Transport-Security', []],
]);

const BCRYPT_HASH = /^\$2[aby]?\$(?:0[4-9]|[12]\d|3[01])\$[./A-Za-z\d]{53}$/;

const TLS_VERSION = oneOf(...TLS_VERSION_NAMES);
const CLIENT_AUTH_NAME = oneOf(...CLIENT_AUTH_TYPES.keys());

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type TlsDraft = Mutable<TlsFile>;

/** `name` is the file's name in faults, and the base of relative paths in it. */
export function readWebConfig(content: string, name: string): ReadWebConfig {
  const yaml = new YamlReader(content, name, FORMAT);
  const tls: TlsDraft = { ...PLAIN_TLS };
  const rateLimit: Mutable<RateLimit> = { intervalMs: 0, burst: 0 };
  const headers: (readonly [string, string])[] = [];
  const users = new Map<string, string>();
  let http2 = true;

  const textAt = (value: YamlValue): string => yaml.text(value) ?? '';
  const pathAt = (value: YamlValue): string => resolve(dirname(name), textAt(value));
  const into =
    <K extends keyof TlsDraft>(key: K, read: (value: YamlValue) => TlsDraft[K] | undefined) =>
    (value: YamlValue) =>
      void (tls[key] = read(value) ?? tls[key]);
  const keys: Record<string, (value: YamlValue) => void> = {
    [`${TLS}.cert_file`]: into('certFile', pathAt),
    [`${TLS}.key_file`]: into('keyFile', pathAt),
    [`${TLS}.client_ca_file`]: into('clientCaFile', pathAt),
    [`${TLS}.cert`]: into('cert', textAt),
    [`${TLS}.key`]: into('key', textAt),
    [`${TLS}.client_ca`]: into('clientCa', textAt),
    // An unknown type counts as the strictest, so that no other fault follows from it.
    [`${TLS}.client_auth_type`]: into(
      'clientAuth',
      (value) => CLIENT_AUTH_TYPES.get(yaml.parse(value, CLIENT_AUTH_NAME) ?? '') ?? 'RequireAndVerifyClientCert',
    ),
    [`${TLS}.client_allowed_sans`]: into('allowedSans', (value) => textsAt(yaml, value)),
    [`${TLS}.min_version`]: into('minVersion', (value) => yaml.parse(value, TLS_VERSION)),
    [`${TLS}.max_version`]: into('maxVersion', (value) => yaml.parse(value, TLS_VERSION)),
    [`${TLS}.cipher_suites`]: into('cipherSuites', (value) => namesAt(yaml, value, CIPHER_SUITES)),
    [`${TLS}.curve_preferences`]: into('curves', (value) => namesAt(yaml, value, CURVES)),
    [`${TLS}.prefer_server_cipher_suites`]: into('preferServerCiphers', (value) => yaml.parse(value, flag)),
    'http_server_config.http2': (value) => void (http2 = yaml.parse(value, flag) ?? false),
    basic_auth_users: (value) => readUsers(yaml, value, users),
    'rate_limit.interval': (value) => void (rateLimit.intervalMs = yaml.parse(value, duration) ?? 0),
    'rate_limit.burst': (value) => void (rateLimit.burst = yaml.parse(value, integer(0, 999_999_999)) ?? 1),
  };
  for (const header of HEADER_VALUES.keys()) {
    keys[`http_server_config.headers.${header}`] = (value) => {
      const text = textAt(value);
      const fault = headerFault(header, text);
      if (fault === undefined) headers.push([header, text]);
      else yaml.fault(value, fault, text);
    };
  }
  yaml.read(new Map(Object.entries(keys)));

  const faults = [...yaml.faults];
  // The toolkit accepts an empty list and then refuses every client.
  if (tls.allowedSans?.length === 0)
    faults.push(yaml.describeFault(`${TLS}.client_allowed_sans`, undefined, 'expected a name'));
  const wantsTls = yaml.isGiven(TLS);
  if (wantsTls && http2 && !allowsHttp2(tls)) {
    const why = `expected one of ${HTTP2_CIPHER_SUITES.join(', ')} as well, which HTTP/2 requires, or http2: false`;
    faults.push(yaml.describeFault(`${TLS}.cipher_suites`, undefined, why));
  }
  // The toolkit accepts 0 and then refuses every request.
  if (rateLimit.intervalMs > 0 && rateLimit.burst === 0) {
    faults.push(yaml.describeFault('rate_limit.burst', undefined, 'expected at least 1'));
  }
  const file: WebConfigFile = {
    tls: wantsTls ? tls : undefined,
    http2,
    headers,
    users,
    rateLimit: rateLimit.intervalMs === 0 ? undefined : rateLimit,
  };
  return { file, faults, describeFault: yaml.describeFault };
}

function textsAt(yaml: YamlReader, value: YamlValue): string[] | undefined {
  const texts = yaml.texts(value);
  if (texts === undefined) yaml.fault(value, 'expected a list of texts');
  return texts;
}

/** The known names of a list; each of the others is a fault. */
function namesAt(yaml: YamlReader, value: YamlValue, known: ReadonlyMap<string, unknown>): string[] {
  const texts = textsAt(yaml, value) ?? [];
  for (const text of texts.filter((each) => !known.has(each))) {
    const names = [...known.keys()];
    yaml.fault(value, didYouMean(text, names, `expected one of ${names.join(', ')}`), text);
  }
  return texts.filter((text) => known.has(text));
}

function allowsHttp2({ cipherSuites, minVersion }: TlsFile): boolean {
  if (cipherSuites.length === 0 || minVersion === 'TLS13') return true;
  return HTTP2_CIPHER_SUITES.some((suite) => cipherSuites.includes(suite));
}

function headerFault(name: string, value: string): string | undefined {
  const allowed = HEADER_VALUES.get(name) ?? [];
  if (allowed.length > 0 && !allowed.includes(value)) return `expected one of ${allowed.join(', ')}`;
  try {
    validateHeaderValue(name, value);
    return undefined;
  } catch {
    return 'expected the value of a header, on one line';
  }
}

function readUsers(yaml: YamlReader, value: YamlValue, users: Map<string, string>): void {
  const entries = yaml.entries(value);
  if (entries === undefined) return yaml.fault(value, 'expected a bcrypt hash for each user');
  for (const [user, entry] of entries) {
    const hash = textOf(entry.node) ?? '';
    if (user.includes(':')) yaml.fault(entry, 'expected a name without a colon, which ends the name in a request');
    // The value is not shown: it is most likely the password itself.
    else if (!BCRYPT_HASH.test(hash)) yaml.fault(entry, 'expected a bcrypt hash, such as $2y$10$…');
    else users.set(user, hash);
  }
}
