/**
 * Reads the web configuration file as the Prometheus exporter toolkit defines it
 * (https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md). PURE: the certificates that it
 * names are read by tls-settings.ts.
 *
 * Nothing secret is ever part of a fault: no key, no password hash, and no line as it is written.
 */
import { validateHeaderValue } from 'node:http';
import { dirname, resolve } from 'node:path';
import { quoteName } from '../../config/values/quote.ts';
import {
  cipherSuites,
  clientAuthTypes,
  curves,
  HTTP2_CIPHER_SUITES,
  tlsVersions,
  type ClientAuthType,
  type TlsVersion,
} from './tls-names.ts';
import { YamlReader, type Blame, type YamlKeys, type YamlValue } from './yaml-reader.ts';

export interface WebConfigFile {
  /** Undefined = plain HTTP. */
  readonly tls: TlsFile | undefined;
  readonly http2: boolean;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** User → bcrypt hash; none = no authentication. */
  readonly users: ReadonlyMap<string, string>;
  readonly rateLimit: RateLimit | undefined;
}

/** What is said about TLS, nothing of it read or checked against each other. Paths are absolute; '' = not given. */
export interface TlsFile {
  readonly certFile: string;
  readonly keyFile: string;
  readonly clientCaFile: string;
  readonly cert: string;
  readonly key: string;
  readonly clientCa: string;
  readonly clientAuth: ClientAuthType;
  /** A client's certificate must have one of these; undefined = any will do. */
  readonly allowedSans: readonly string[] | undefined;
  readonly minVersion: TlsVersion;
  readonly maxVersion: TlsVersion;
  /** By their names in Go; none = those of Go. */
  readonly cipherSuites: readonly string[];
  /** By their names in Go; none = those of OpenSSL. */
  readonly curves: readonly string[];
  readonly preferServerCiphers: boolean;
}

/** A token each `intervalMs`, of which `burst` may be saved up. */
export interface RateLimit {
  readonly intervalMs: number;
  readonly burst: number;
}

export interface ReadWebConfig {
  readonly file: WebConfigFile;
  readonly faults: readonly string[];
  /** For what turns out later. */
  readonly blame: Blame;
}

export const plainTls: TlsFile = {
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

export const noWebConfig: WebConfigFile = {
  tls: undefined,
  http2: true,
  headers: [],
  users: new Map(),
  rateLimit: undefined,
};

/** Those that can be set, with their only values where the toolkit knows them. */
const headerValues: ReadonlyMap<string, readonly string[]> = new Map([
  ['Content-Security-Policy', []],
  ['X-Frame-Options', ['deny', 'sameorigin']],
  ['X-Content-Type-Options', ['nosniff']],
  ['X-XSS-Protection', []],
  ['Strict-Transport-Security', []],
]);

const bcryptShape = /^\$2[aby]?\$(?:0[4-9]|[12]\d|3[01])\$[./A-Za-z\d]{53}$/;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** `name` is how faults call the file, and where its relative paths start from. */
export function readWebConfig(content: string, name: string): ReadWebConfig {
  const yaml = new YamlReader(content, name);
  const tls: Mutable<TlsFile> = { ...plainTls };
  const rateLimit: Mutable<RateLimit> = { intervalMs: 0, burst: 0 };
  const headers: (readonly [string, string])[] = [];
  const users = new Map<string, string>();
  let http2 = true;

  const pathOf = (value: YamlValue): string => resolve(dirname(name), yaml.text(value));
  const tlsKeys: YamlKeys = {
    cert_file: (value) => void (tls.certFile = pathOf(value)),
    key_file: (value) => void (tls.keyFile = pathOf(value)),
    client_ca_file: (value) => void (tls.clientCaFile = pathOf(value)),
    cert: (value) => void (tls.cert = yaml.text(value)),
    key: (value) => void (tls.key = yaml.text(value)),
    client_ca: (value) => void (tls.clientCa = yaml.text(value)),
    // What is not understood counts as the strictest, so that no other fault follows from it.
    client_auth_type: (value) =>
      void (tls.clientAuth = yaml.choice(value, clientAuthTypes) ?? 'RequireAndVerifyClientCert'),
    client_allowed_sans: (value) => void (tls.allowedSans = yaml.texts(value)),
    min_version: (value) => void (tls.minVersion = yaml.choice(value, tlsVersions) ?? plainTls.minVersion),
    max_version: (value) => void (tls.maxVersion = yaml.choice(value, tlsVersions) ?? plainTls.maxVersion),
    cipher_suites: (value) => void (tls.cipherSuites = yaml.choices(value, cipherSuites)),
    curve_preferences: (value) => void (tls.curves = yaml.choices(value, curves)),
    prefer_server_cipher_suites: (value) => void (tls.preferServerCiphers = yaml.flag(value)),
  };
  const readHeader = (header: string) => (value: YamlValue) => {
    const text = yaml.text(value);
    const fault = headerFault(header, text);
    if (fault === undefined) headers.push([header, text]);
    else yaml.fault(value.key, text, fault);
  };
  yaml.read({
    tls_server_config: (value) => yaml.section(value, tlsKeys),
    http_server_config: (value) =>
      yaml.section(value, {
        http2: (flag) => void (http2 = yaml.flag(flag)),
        headers: (section) =>
          yaml.section(section, Object.fromEntries([...headerValues.keys()].map((word) => [word, readHeader(word)]))),
      }),
    basic_auth_users: (value) => readUsers(yaml, value, users),
    rate_limit: (value) =>
      yaml.section(value, {
        interval: (interval) => void (rateLimit.intervalMs = yaml.duration(interval)),
        burst: (burst) => void (rateLimit.burst = yaml.count(burst)),
      }),
  });

  // The toolkit takes an empty list, and refuses every client.
  if (tls.allowedSans?.length === 0) yaml.fault('tls_server_config.client_allowed_sans', undefined, 'expected a name');
  const wantsTls = Object.keys(tlsKeys).some((word) => yaml.isGiven(`tls_server_config.${word}`));
  if (wantsTls && http2) checkHttp2Ciphers(yaml, tls);
  // The toolkit takes 0 and then refuses every request.
  if (rateLimit.intervalMs > 0 && rateLimit.burst === 0)
    yaml.fault('rate_limit.burst', undefined, 'expected at least 1');
  const file: WebConfigFile = {
    tls: wantsTls ? tls : undefined,
    http2,
    headers,
    users,
    rateLimit: rateLimit.intervalMs === 0 ? undefined : rateLimit,
  };
  return { file, faults: yaml.faults, blame: yaml.blame };
}

function checkHttp2Ciphers(yaml: YamlReader, { cipherSuites: suites, minVersion }: TlsFile): void {
  if (suites.length === 0 || minVersion === 'TLS13' || HTTP2_CIPHER_SUITES.some((suite) => suites.includes(suite)))
    return;
  const why = `expected one of ${HTTP2_CIPHER_SUITES.join(', ')} as well, which HTTP/2 demands, or http2: false`;
  yaml.fault('tls_server_config.cipher_suites', undefined, why);
}

function headerFault(name: string, value: string): string | undefined {
  const allowed = headerValues.get(name) ?? [];
  if (allowed.length > 0 && !allowed.includes(value)) return `expected one of ${allowed.join(', ')}`;
  try {
    validateHeaderValue(name, value);
    return undefined;
  } catch {
    return 'expected the value of a header, on one line';
  }
}

function readUsers(yaml: YamlReader, value: YamlValue, users: Map<string, string>): void {
  const pairs = yaml.pairs(value);
  if (pairs === undefined) return yaml.fault(value.key, undefined, 'expected a bcrypt hash for each user');
  for (const { word, text = '', place } of pairs) {
    const label = `${value.key}.${quoteName(word)}`;
    if (word.includes(':')) yaml.faultAt(place, label, 'expected a name without a colon, which ends it in a request');
    // Most likely the password itself: it is not shown.
    else if (!bcryptShape.test(text)) yaml.faultAt(place, label, 'expected a bcrypt hash, such as $2y$10$…');
    else users.set(word, text);
  }
}
