import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeCertificate, type Certificate } from '../http/certificates.ts';
import { temporaryFolder } from '../process/temporary.ts';

/** Credentials and TLS of a server, none by default. Nodes and Sentinels of a topology share them. */
export interface RedisAccess {
  /** Of the default user. */
  readonly password?: string;
  /** If set, there is no port without TLS. */
  readonly tls?: TlsFiles;
}

export interface TlsFiles {
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
}

/** A private certificate authority. */
export function makeAuthority(): Certificate {
  return makeCertificate('a private authority', { ca: true });
}

/** For a server on loopback, signed by `authority`. */
export function tlsFiles(authority: Certificate = makeAuthority()): TlsFiles {
  const folder = temporaryFolder();
  const own = authority.issue('redis', { sans: [['IP', [127, 0, 0, 1]]] });
  const write = (name: string, content: string): string => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  return {
    caFile: write('ca.pem', authority.cert),
    certFile: write('cert.pem', own.cert),
    keyFile: write('key.pem', own.key),
  };
}

/** Settings of redis-server, also of one that is a Sentinel or a node of a Cluster. Port 0: a unix socket only. */
export function listenSettings(port: number, { tls }: RedisAccess): [name: string, value: string][] {
  if (tls === undefined) return [['port', String(port)]];
  return [
    ['port', '0'],
    ['tls-port', String(port)],
    ['tls-cert-file', tls.certFile],
    ['tls-key-file', tls.keyFile],
    ['tls-ca-cert-file', tls.caFile],
    ['tls-auth-clients', 'no'],
    ['tls-replication', 'yes'],
    ['tls-cluster', 'yes'],
  ];
}

/** Of redis-cli. */
export function cliArguments({ password, tls }: RedisAccess): string[] {
  return [
    ...(password === undefined ? [] : ['-a', password, '--no-auth-warning']),
    ...(tls === undefined ? [] : ['--tls', '--cacert', tls.caFile]),
  ];
}
