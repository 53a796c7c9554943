/**
 * Reads the web configuration file as the Prometheus exporter toolkit defines it
 * (https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md). PURE: the certificates that it
 * names are read by tls-settings.ts.
 *
 * Nothing secret is ever part of a fault: no key, no password hash, and no line as it is written.
 */
import { validateHeaderValue } from 'node:http';
import { dirname, resolve } from 'node:path';
import { isAlias, isMap, isNode, isScalar, isSeq, LineCounter, parseDocument, type Document, type Pair } from 'yaml';
import { durationHint, readDuration } from '../config/duration.ts';
import { suggestion } from '../config/given.ts';
import { nearest } from '../config/nearest.ts';
import { quote, quoteName } from '../config/quote.ts';
import { asError } from '../errors.ts';
import {
  cipherSuites,
  clientAuthTypes,
  curves,
  HTTP2_CIPHER_SUITES,
  tlsVersions,
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

/** Words a fault: which key is at fault, its value if that is not secret, and why. */
export type Blame = (key: string, shown: string | undefined, why: string) => string;

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

/** `name` is how faults call the file, and where its relative paths start from. */
export function readWebConfig(content: string, name: string): ReadWebConfig {
  return new Reader(content, name).read();
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
/** Reads the value of one key; `key` is its whole name: `rate_limit.burst`. */
type ReadValue = (node: unknown, key: string) => void;
type Keys = Readonly<Record<string, ReadValue>>;

class Reader {
  readonly #name: string;
  readonly #document: Document.Parsed;
  readonly #lines = new LineCounter();
  readonly #faults: string[] = [];
  /** Where each key that was given stands. */
  readonly #places = new Map<string, string>();
  readonly #tls: Mutable<TlsFile> = { ...plainTls };
  readonly #rateLimit: Mutable<RateLimit> = { intervalMs: 0, burst: 0 };
  readonly #headers: (readonly [string, string])[] = [];
  readonly #users = new Map<string, string>();
  #http2 = true;
  #wantsTls = false;

  constructor(content: string, name: string) {
    this.#name = name;
    this.#document = parseDocument(content, { prettyErrors: false, lineCounter: this.#lines, logLevel: 'error' });
  }

  read(): ReadWebConfig {
    // Only the code is shown: the parser's messages quote the line, and the line may hold a secret.
    for (const { code, pos } of [...this.#document.errors, ...this.#document.warnings]) {
      const what = code.toLowerCase().replaceAll('_', ' ');
      this.#faults.push(`cannot read ${this.#at(pos[0])}: expected YAML, found: ${what}`);
    }
    if (this.#faults.length === 0) {
      this.#map(this.#document.contents, '', this.#keys());
      this.#checkTogether();
    }
    const { intervalMs } = this.#rateLimit;
    const file: WebConfigFile = {
      tls: this.#wantsTls ? this.#tls : undefined,
      http2: this.#http2,
      headers: this.#headers,
      users: this.#users,
      rateLimit: intervalMs === 0 ? undefined : this.#rateLimit,
    };
    return { file, faults: this.#faults, blame: this.#blame };
  }

  #keys(): Keys {
    const tls = this.#tls;
    const tlsKeys: Keys = {
      cert_file: (node, key) => void (tls.certFile = this.#path(node, key)),
      key_file: (node, key) => void (tls.keyFile = this.#path(node, key)),
      client_ca_file: (node, key) => void (tls.clientCaFile = this.#path(node, key)),
      cert: (node, key) => void (tls.cert = this.#text(node, key)),
      key: (node, key) => void (tls.key = this.#text(node, key)),
      client_ca: (node, key) => void (tls.clientCa = this.#text(node, key)),
      // What is not understood counts as the strictest, so that no other fault follows from it.
      client_auth_type: (node, key) =>
        void (tls.clientAuth = this.#choice(node, key, clientAuthTypes) ?? 'RequireAndVerifyClientCert'),
      client_allowed_sans: (node, key) => void (tls.allowedSans = this.#texts(node, key)),
      min_version: (node, key) => void (tls.minVersion = this.#choice(node, key, tlsVersions) ?? plainTls.minVersion),
      max_version: (node, key) => void (tls.maxVersion = this.#choice(node, key, tlsVersions) ?? plainTls.maxVersion),
      cipher_suites: (node, key) => void (tls.cipherSuites = this.#known(node, key, cipherSuites)),
      curve_preferences: (node, key) => void (tls.curves = this.#known(node, key, curves)),
      prefer_server_cipher_suites: (node, key) => void (tls.preferServerCiphers = this.#flag(node, key)),
    };
    return {
      tls_server_config: (node, key) => {
        this.#map(node, key, tlsKeys);
        this.#wantsTls = Object.keys(tlsKeys).some((word) => this.#places.has(`${key}.${word}`));
      },
      http_server_config: (node, key) =>
        this.#map(node, key, {
          http2: (flag, path) => void (this.#http2 = this.#flag(flag, path)),
          headers: (headers, path) =>
            this.#map(
              headers,
              path,
              Object.fromEntries([...headerValues.keys()].map((word) => [word, this.#readHeader(word)])),
            ),
        }),
      basic_auth_users: (node) => this.#readUsers(node),
      rate_limit: (node, key) =>
        this.#map(node, key, {
          interval: (interval, path) => void (this.#rateLimit.intervalMs = this.#duration(interval, path)),
          burst: (burst, path) => void (this.#rateLimit.burst = this.#count(burst, path)),
        }),
    };
  }

  #checkTogether(): void {
    const { intervalMs, burst } = this.#rateLimit;
    // The toolkit takes 0 and then refuses every request.
    if (intervalMs > 0 && burst === 0) this.#fault('rate_limit.burst', undefined, 'expected at least 1');
    if (!this.#wantsTls || !this.#http2) return;
    const { cipherSuites: suites, minVersion } = this.#tls;
    if (suites.length === 0 || minVersion === 'TLS13' || HTTP2_CIPHER_SUITES.some((suite) => suites.includes(suite))) {
      return;
    }
    const why = `expected one of ${HTTP2_CIPHER_SUITES.join(', ')} as well, which HTTP/2 demands, or http2: false`;
    this.#fault('tls_server_config.cipher_suites', undefined, why);
  }

  #map(node: unknown, section: string, keys: Keys): void {
    const map = this.#resolve(node);
    if (isEmpty(map)) return;
    if (!isMap(map)) {
      const [what, why] =
        section === '' ? ['the file', 'expected keys such as basic_auth_users'] : [section, 'expected keys below it'];
      return this.#refuse(map, what, why);
    }
    for (const pair of map.items) this.#pair(pair, section === '' ? '' : `${section}.`, keys);
  }

  #pair({ key, value }: Pair, prefix: string, keys: Keys): void {
    const word = textOf(key) ?? '?';
    const path = prefix + word;
    const read = Object.hasOwn(keys, word) ? keys[word] : undefined;
    if (read === undefined) {
      const near = nearest(
        path,
        Object.keys(keys).map((known) => prefix + known),
      );
      const hint = suggestion(near, `expected one of ${Object.keys(keys).join(', ')}`);
      this.#faults.push(`cannot use unknown key ${quoteName(path)} (${this.#placeOf(key)}): ${hint}`);
      return;
    }
    // A key without a value, or with an empty one, is as good as absent: so go-yaml and the toolkit have it.
    const resolved = this.#resolve(value);
    if (isEmpty(resolved) || (isScalar(resolved) && resolved.value === '')) return;
    this.#places.set(path, this.#placeOf(key));
    read(value, path);
  }

  #readHeader(name: string): ReadValue {
    return (node, key) => {
      const value = this.#text(node, key);
      const allowed = headerValues.get(name) ?? [];
      if (allowed.length > 0 && !allowed.includes(value)) {
        return this.#fault(key, value, `expected one of ${allowed.join(', ')}`);
      }
      try {
        validateHeaderValue(name, value);
        this.#headers.push([name, value]);
      } catch {
        this.#fault(key, value, 'expected the value of a header, on one line');
      }
    };
  }

  #readUsers(node: unknown): void {
    const map = this.#resolve(node);
    if (!isMap(map)) return this.#refuse(map, 'basic_auth_users', 'expected a bcrypt hash for each user');
    for (const { key, value } of map.items) {
      const user = textOf(key) ?? '?';
      const hash = textOf(this.#resolve(value));
      const label = `basic_auth_users.${quoteName(user)}`;
      if (user.includes(':')) this.#refuse(key, label, 'expected a name without a colon, which ends it in a request');
      // Most likely the password itself.
      else if (!bcryptShape.test(hash ?? '')) this.#refuse(key, label, 'expected a bcrypt hash, such as $2y$10$…');
      else this.#users.set(user, hash ?? '');
    }
  }

  #text(node: unknown, key: string): string {
    const text = textOf(this.#resolve(node));
    if (text === undefined) this.#fault(key, undefined, 'expected one value');
    return text ?? '';
  }

  #path(node: unknown, key: string): string {
    const path = this.#text(node, key);
    return path === '' ? '' : resolve(dirname(this.#name), path);
  }

  #flag(node: unknown, key: string): boolean {
    const text = this.#text(node, key);
    if (!/^(?:true|false|yes|no|on|off)$/i.test(text)) this.#fault(key, text, 'expected true or false');
    return /^(?:true|yes|on)$/i.test(text);
  }

  #count(node: unknown, key: string): number {
    const text = this.#text(node, key);
    if (!/^\d{1,9}$/.test(text)) this.#fault(key, text, 'expected a whole number');
    return Number(text);
  }

  #duration(node: unknown, key: string): number {
    const text = this.#text(node, key);
    const ms = readDuration(text);
    if (ms !== undefined && ms >= 0) return ms;
    this.#fault(key, text, `expected ${durationHint}, or 0`);
    return 0;
  }

  #choice<T>(node: unknown, key: string, choices: ReadonlyMap<string, T>): T | undefined {
    const text = this.#text(node, key);
    const chosen = choices.get(text);
    if (chosen === undefined) this.#fault(key, text, `expected one of ${[...choices.keys()].join(', ')}`);
    return chosen;
  }

  /** A list; undefined when it is not one. */
  #texts(node: unknown, key: string): string[] | undefined {
    const list = this.#resolve(node);
    const texts = isSeq(list) ? list.items.map((item) => textOf(this.#resolve(item))) : [];
    if (texts.length > 0 && texts.every((text) => text !== undefined)) return texts;
    this.#fault(key, undefined, 'expected a list of texts');
    return undefined;
  }

  #known(node: unknown, key: string, names: ReadonlyMap<string, string>): string[] {
    const texts = this.#texts(node, key) ?? [];
    for (const text of texts.filter((each) => !names.has(each))) {
      this.#fault(
        key,
        text,
        suggestion(nearest(text, names.keys()), `expected one of ${[...names.keys()].join(', ')}`),
      );
    }
    return texts.filter((text) => names.has(text));
  }

  #fault(key: string, shown: string | undefined, why: string): void {
    this.#faults.push(this.#blame(key, shown, why));
  }

  readonly #blame: Blame = (key, shown, why) => {
    const value = shown === undefined ? '' : ` ${quote(shown)}`;
    // One that is missing belongs where its section is.
    const place = this.#places.get(key) ?? this.#places.get(key.split('.', 1)[0] ?? '') ?? this.#name;
    return `cannot use ${key}${value} (${place}): ${why}`;
  };

  #refuse(node: unknown, label: string, why: string): void {
    this.#faults.push(`cannot use ${label} (${this.#placeOf(node)}): ${why}`);
  }

  /** An alias without its anchor stays one, and is refused: it may be a secret that begins with `*`. */
  #resolve(node: unknown): unknown {
    return isAlias(node) ? (node.resolve(this.#document) ?? node) : node;
  }

  #placeOf(node: unknown): string {
    const start = isNode(node) ? node.range?.[0] : undefined;
    return start === undefined ? this.#name : this.#at(start);
  }

  #at(offset: number): string {
    return `${this.#name}, line ${this.#lines.linePos(offset).line}`;
  }
}

/** The scalar as written: `0123` is not 123. Undefined when it is none. */
function textOf(node: unknown): string | undefined {
  if (!isScalar(node) || node.value === null) return undefined;
  return typeof node.value === 'string' ? node.value : node.source;
}

function isEmpty(node: unknown): boolean {
  return node === null || node === undefined || (isScalar(node) && node.value === null);
}

/** For a file that cannot be read at all. */
export function unreadable(label: string, path: string, thrown: unknown): string {
  const { code, message } = asError(thrown) as NodeJS.ErrnoException;
  return `cannot use ${label} ${quote(path)}: expected a file that can be read, got ${code ?? message}`;
}
