/** The names of Go's crypto/tls, which the web configuration file uses, and what OpenSSL calls the same things. */
import type { SecureVersion } from 'node:tls';

export const TLS_VERSION_NAMES = ['TLS10', 'TLS11', 'TLS12', 'TLS13'] as const;
export type TlsVersion = (typeof TLS_VERSION_NAMES)[number];

export const SECURE_VERSIONS: Readonly<Record<TlsVersion, SecureVersion>> = {
  TLS10: 'TLSv1',
  TLS11: 'TLSv1.1',
  TLS12: 'TLSv1.2',
  TLS13: 'TLSv1.3',
};

/** https://pkg.go.dev/crypto/tls#ClientAuthType; RequireClientCert is an old name of RequireAnyClientCert. */
export type ClientAuthType =
  | 'NoClientCert'
  | 'RequestClientCert'
  | 'RequireAnyClientCert'
  | 'VerifyClientCertIfGiven'
  | 'RequireAndVerifyClientCert';

export const CLIENT_AUTH_TYPES: ReadonlyMap<string, ClientAuthType> = new Map([
  ['NoClientCert', 'NoClientCert'],
  ['RequestClientCert', 'RequestClientCert'],
  ['RequireAnyClientCert', 'RequireAnyClientCert'],
  ['RequireClientCert', 'RequireAnyClientCert'],
  ['VerifyClientCertIfGiven', 'VerifyClientCertIfGiven'],
  ['RequireAndVerifyClientCert', 'RequireAndVerifyClientCert'],
]);

const TLS13_CIPHER_SUITES = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
] as const;

/** Suites with forward secrecy, in the order of Go's default list (cipher_suites.go). */
const DEFAULT_CIPHER_SUITES: ReadonlyMap<string, string> = new Map([
  ['TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256', 'ECDHE-ECDSA-AES128-GCM-SHA256'],
  ['TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256', 'ECDHE-RSA-AES128-GCM-SHA256'],
  ['TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384', 'ECDHE-ECDSA-AES256-GCM-SHA384'],
  ['TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384', 'ECDHE-RSA-AES256-GCM-SHA384'],
  ['TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256', 'ECDHE-ECDSA-CHACHA20-POLY1305'],
  ['TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256', 'ECDHE-RSA-CHACHA20-POLY1305'],
  ['TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA', 'ECDHE-ECDSA-AES128-SHA'],
  ['TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA', 'ECDHE-RSA-AES128-SHA'],
  ['TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA', 'ECDHE-ECDSA-AES256-SHA'],
  ['TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA', 'ECDHE-RSA-AES256-SHA'],
]);

/** All suites that may be named. Files written for Go before 1.22 name those without forward secrecy. */
export const CIPHER_SUITES: ReadonlyMap<string, string> = new Map([
  ...TLS13_CIPHER_SUITES.map((name) => [name, name] as const),
  ...DEFAULT_CIPHER_SUITES,
  ['TLS_RSA_WITH_AES_128_GCM_SHA256', 'AES128-GCM-SHA256'],
  ['TLS_RSA_WITH_AES_256_GCM_SHA384', 'AES256-GCM-SHA384'],
  ['TLS_RSA_WITH_AES_128_CBC_SHA', 'AES128-SHA'],
  ['TLS_RSA_WITH_AES_256_CBC_SHA', 'AES256-SHA'],
]);

/** HTTP/2 requires one of these (RFC 9113, 9.2.2). */
export const HTTP2_CIPHER_SUITES: readonly string[] = [
  'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256',
  'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256',
];

export const CURVES: ReadonlyMap<string, string> = new Map([
  ['CurveP256', 'P-256'],
  ['CurveP384', 'P-384'],
  ['CurveP521', 'P-521'],
  ['X25519', 'X25519'],
]);

/**
 * The list in Node's notation. As in Go, the choice concerns TLS 1.2 and below; TLS 1.3 always has its own three
 * suites, and a list of these alone leaves none for TLS 1.2.
 */
export function opensslCiphers(names: readonly string[], minVersion: TlsVersion): string {
  const chosen = names.length === 0 ? [...DEFAULT_CIPHER_SUITES.keys()] : names;
  const below13 = chosen.flatMap((name) => {
    const own = CIPHER_SUITES.get(name);
    return own === undefined || own === name ? [] : [own];
  });
  // OpenSSL 3 allows TLS 1.0 and 1.1, which need SHA-1, only at its lowest security level.
  const level = below13.length > 0 && (minVersion === 'TLS10' || minVersion === 'TLS11') ? ['@SECLEVEL=0'] : [];
  return [...TLS13_CIPHER_SUITES, ...below13, ...level].join(':');
}

export function opensslCurves(names: readonly string[]): string {
  return names.length === 0 ? 'auto' : names.map((name) => CURVES.get(name) ?? name).join(':');
}
