/** Turns the TLS section of the file into the options of a server: reads the certificates and checks them together. */
import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isIPv6, SocketAddress } from 'node:net';
import { createSecureContext, type SecureContextOptions, type TLSSocket } from 'node:tls';
import { asError, systemReason } from '../../errors.ts';
import { opensslCiphers, opensslCurves, SECURE_VERSIONS, type ClientAuthType } from './tls-names.ts';
import type { TlsFile } from './web-config-file.ts';
import type { DescribeFault } from '../../config/read/yaml-reader.ts';

export interface TlsSettings {
  readonly context: SecureContextOptions;
  readonly clientAuth: ClientAuthType;
  readonly allowedSans: readonly string[] | undefined;
}

const SECTION = 'tls_server_config';

/** The files that loadTls() reads. */
export function tlsFiles({ certFile, keyFile, clientCaFile }: TlsFile): string[] {
  return [certFile, keyFile, clientCaFile].filter((path) => path !== '');
}

/** Undefined if there are faults, which are added to `faults`. */
export function loadTls(file: TlsFile, describeFault: DescribeFault, faults: string[]): TlsSettings | undefined {
  const before = faults.length;
  const fault = (word: string, shown: string | undefined, why: string): void =>
    void faults.push(describeFault(`${SECTION}.${word}`, shown, why));
  const read = (word: string, inline: string, path: string): Pem | undefined => {
    if (inline !== '' && path !== '') fault(word, undefined, `expected either ${word} or ${word}_file, got both`);
    if (path === '') return inline === '' ? undefined : { key: word, shown: undefined, pem: inline };
    try {
      return { key: `${word}_file`, shown: path, pem: readFileSync(path, 'utf8') };
    } catch (thrown) {
      fault(`${word}_file`, path, `expected a file that can be read, got ${systemReason(thrown)}`);
      return { key: '', shown: undefined, pem: '' };
    }
  };

  const cert = read('cert', file.cert, file.certFile);
  const key = read('key', file.key, file.keyFile);
  const ca = read('client_ca', file.clientCa, file.clientCaFile);
  if (cert === undefined) fault('cert_file', undefined, 'expected cert_file or cert, which TLS requires');
  if (key === undefined) fault('key_file', undefined, 'expected key_file or key, which TLS requires');
  checkPair(cert, key, fault);
  if (ca !== undefined && ca.key !== '' && certificatesIn(ca.pem) === 0) {
    fault(ca.key, ca.shown, 'expected at least one certificate in PEM');
  }
  if (file.clientAuth === 'NoClientCert') {
    const why = 'expected a client_auth_type as well: by default no client is asked for a certificate';
    if (ca !== undefined) fault(file.clientCaFile === '' ? 'client_ca' : 'client_ca_file', undefined, why);
    if (file.allowedSans !== undefined) fault('client_allowed_sans', undefined, why);
  }
  // The names of the versions sort by age.
  if (file.minVersion > file.maxVersion) {
    fault('min_version', file.minVersion, `expected at most max_version, which is ${file.maxVersion}`);
  }
  if (faults.length > before) return undefined;

  const context: SecureContextOptions = {
    cert: cert?.pem,
    key: key?.pem,
    // Without a CA the well-known authorities are trusted, as in Go.
    ...(ca === undefined ? {} : { ca: ca.pem }),
    minVersion: SECURE_VERSIONS[file.minVersion],
    maxVersion: SECURE_VERSIONS[file.maxVersion],
    ciphers: opensslCiphers(file.cipherSuites, file.minVersion),
    ecdhCurve: opensslCurves(file.curves),
    honorCipherOrder: file.preferServerCiphers,
  };
  try {
    createSecureContext(context);
  } catch (thrown) {
    faults.push(
      describeFault(SECTION, undefined, `expected settings that OpenSSL accepts, got: ${asError(thrown).message}`),
    );
    return undefined;
  }
  return { context, clientAuth: file.clientAuth, allowedSans: file.allowedSans };
}

interface Pem {
  /** Key in the file; '' if the PEM could not be read, which is reported. */
  readonly key: string;
  readonly shown: string | undefined;
  readonly pem: string;
}

function checkPair(
  cert: Pem | undefined,
  key: Pem | undefined,
  fault: (word: string, shown: string | undefined, why: string) => void,
): void {
  let certificate: X509Certificate | undefined;
  let privateKey: KeyObject | undefined;
  if (cert !== undefined && cert.key !== '') {
    try {
      certificate = new X509Certificate(cert.pem);
    } catch {
      fault(cert.key, cert.shown, 'expected a certificate in PEM');
    }
  }
  if (key !== undefined && key.key !== '') {
    try {
      privateKey = createPrivateKey(key.pem);
    } catch {
      fault(key.key, key.shown, 'expected a private key in PEM, without a passphrase');
    }
  }
  if (certificate === undefined || privateKey === undefined || key === undefined) return;
  if (!certificate.checkPrivateKey(privateKey)) fault(key.key, key.shown, 'expected the key of the certificate');
}

function certificatesIn(pem: string): number {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  try {
    return blocks.map((block) => new X509Certificate(block)).length;
  } catch {
    return 0;
  }
}

/**
 * Why a client is refused, or undefined if it is accepted. Called after the handshake, which itself refuses nobody.
 *
 * `authorized` alone does not suffice: it is also set for a client without a certificate that resumes a session.
 */
export function clientFault(
  socket: TLSSocket,
  { clientAuth, allowedSans }: Pick<TlsSettings, 'clientAuth' | 'allowedSans'>,
): string | undefined {
  if (clientAuth === 'NoClientCert') return undefined;
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) {
    const optional = clientAuth === 'RequestClientCert' || clientAuth === 'VerifyClientCertIfGiven';
    return optional && allowedSans === undefined ? undefined : 'no client certificate';
  }
  const verifies = clientAuth === 'VerifyClientCertIfGiven' || clientAuth === 'RequireAndVerifyClientCert';
  if (verifies && !socket.authorized) return `client certificate: ${String(socket.authorizationError)}`;
  if (allowedSans === undefined || subjectAltNames(certificate).some((name) => allowedSans.includes(name))) {
    return undefined;
  }
  return 'client certificate without an allowed name (client_allowed_sans)';
}

/** DNS names, e-mail addresses, IP addresses and URIs, as Go prints them. */
export function subjectAltNames({ subjectAltName }: Pick<X509Certificate, 'subjectAltName'>): string[] {
  const names: string[] = [];
  // Node writes `DNS:one, IP Address:10.0.0.1`, with a name that holds a comma as a JSON text.
  for (const [, kind, text = ''] of (subjectAltName ?? '').matchAll(/(?:^|, )([\w ]+):("(?:[^"\\]|\\.)*"|[^,]*)/g)) {
    const name = text.startsWith('"') ? String(JSON.parse(text)) : text;
    if (kind === 'DNS' || kind === 'email' || kind === 'URI') names.push(name);
    // OpenSSL writes IPv6 addresses in full and in capitals.
    else if (kind === 'IP Address') {
      names.push(isIPv6(name) ? new SocketAddress({ address: name, family: 'ipv6' }).address : name);
    }
  }
  return names;
}
