/** What Go's crypto/tls, and with it the web configuration file, calls things, and what OpenSSL calls them. */
import type { SecureVersion } from 'node:tls';

export type TlsVersion = 'TLS10' | 'TLS11' | 'TLS12' | 'TLS13';

export const tlsVersions: ReadonlyMap<string, TlsVersion> = new Map([
  ['TLS10', 'TLS10'],
  ['TLS11', 'TLS11'],
  ['TLS12', 'TLS12'],
  ['TLS13', 'TLS13'],
]);

export const secureVersions: Readonly<Record<TlsVersion, SecureVersion>> = {
  TLS10: 'TLSv1',
  TLS11: 'TLSv1.1',
  TLS12: 'TLSv1.2',
  TLS13: 'TLSv1.3',
};

/** https://pkg.go.dev/crypto/tls#ClientAuthType; RequireClientCert is what the toolkit once called RequireAnyClientCert. */
export type ClientAuthType =
  | 'NoClientCert'
  | 'RequestClientCert'
  | 'RequireAnyClientCert'
  | 'VerifyClientCertIfGiven'
  | 'RequireAndVerifyClientCert';

export const clientAuthTypes: ReadonlyMap<string, ClientAuthType> = new Map([
  ['NoClientCert', 'NoClientCert'],
  ['RequestClientCert', 'RequestClientCert'],
  ['RequireAnyClientCert', 'RequireAnyClientCert'],
  ['RequireClientCert', 'RequireAnyClientCert'],
  ['VerifyClientCertIfGiven', 'VerifyClientCertIfGiven'],
  ['RequireAndVerifyClientCert', 'RequireAndVerifyClientCert'],
]);

const tls13CipherSuites = ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256'] as const;

/** With forward secrecy: what Go offers unless told otherwise, in its order (cipher_suites.go). */
const defaultCipherSuites: ReadonlyMap<string, string> = new Map([
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

/** All that may be named. Without forward secrecy: named in files that were written for Go before 1.22. */
export const cipherSuites: ReadonlyMap<string, string> = new Map([
  ...tls13CipherSuites.map((name) => [name, name] as const),
  ...defaultCipherSuites,
  ['TLS_RSA_WITH_AES_128_GCM_SHA256', 'AES128-GCM-SHA256'],
  ['TLS_RSA_WITH_AES_256_GCM_SHA384', 'AES256-GCM-SHA384'],
  ['TLS_RSA_WITH_AES_128_CBC_SHA', 'AES128-SHA'],
  ['TLS_RSA_WITH_AES_256_CBC_SHA', 'AES256-SHA'],
]);

/** RFC 9113, 9.2.2: one of these has to be there. */
export const HTTP2_CIPHER_SUITES: readonly string[] = [
  'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256',
  'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256',
];

export const curves: ReadonlyMap<string, string> = new Map([
  ['CurveP256', 'P-256'],
  ['CurveP384', 'P-384'],
  ['CurveP521', 'P-521'],
  ['X25519', 'X25519'],
]);

/**
 * The list as Node takes it. As in Go the choice is about TLS 1.2 and below, 1.3 has its own three; a list of nothing but
 * those leaves nothing for TLS 1.2, in Go and here.
 */
export function opensslCiphers(names: readonly string[], minVersion: TlsVersion): string {
  const chosen = names.length === 0 ? [...defaultCipherSuites.keys()] : names;
  const below13 = chosen.flatMap((name) => {
    const own = cipherSuites.get(name);
    return own === undefined || own === name ? [] : [own];
  });
  // OpenSSL 3 does TLS 1.0 and 1.1, with their SHA-1, at its lowest level only.
  const level = below13.length > 0 && (minVersion === 'TLS10' || minVersion === 'TLS11') ? ['@SECLEVEL=0'] : [];
  return [...tls13CipherSuites, ...below13, ...level].join(':');
}

export function opensslCurves(names: readonly string[]): string {
  return names.length === 0 ? 'auto' : names.map((name) => curves.get(name) ?? name).join(':');
}
