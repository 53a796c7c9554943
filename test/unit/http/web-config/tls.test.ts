import { X509Certificate } from 'node:crypto';
import { createSecureContext, type TLSSocket } from 'node:tls';
import { describe, expect, test } from 'vitest';
import { CIPHER_SUITES, CURVES, opensslCiphers, opensslCurves } from '../../../../shared/http/web-config/tls-names.ts';
import { clientFault, subjectAltNames } from '../../../../shared/http/web-config/tls-settings.ts';
import { takeSystemdSockets } from '../../../../shared/config/read/systemd-sockets.ts';
import { makeCertificate, type CertificateOptions } from '../../../support/http/certificates.ts';

describe('names of Go', () => {
  test.each([...CIPHER_SUITES])('%s is %s', (name, own) => {
    createSecureContext({ ciphers: own });
    expect(opensslCiphers([name], 'TLS12')).toContain(own);
  });

  test.each([...CURVES])('%s is %s', (_name, own) => {
    createSecureContext({ ecdhCurve: own });
  });

  test('lists', () => {
    const tls13 = 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256';
    expect(opensslCiphers(['TLS_AES_128_GCM_SHA256'], 'TLS10')).toBe(tls13);
    expect(opensslCiphers(['TLS_RSA_WITH_AES_128_CBC_SHA'], 'TLS12')).toBe(`${tls13}:AES128-SHA`);
    expect(opensslCiphers(['TLS_RSA_WITH_AES_128_CBC_SHA'], 'TLS11')).toBe(`${tls13}:AES128-SHA:@SECLEVEL=0`);
    expect(opensslCiphers([], 'TLS12').split(':')).toHaveLength(13);
    expect(opensslCiphers([], 'TLS12')).not.toMatch(/:AES/);
    expect(opensslCurves(['X25519', 'CurveP256'])).toBe('X25519:P-256');
  });
});

describe('names in a certificate', () => {
  test.each<[NonNullable<CertificateOptions['sans']>, string[]]>([
    [[['DNS', 'one']], ['one']],
    [
      [
        ['DNS', 'one'],
        ['email', 'a@b.c'],
        ['URI', 'spiffe://a/b'],
        ['IP', [10, 0, 0, 1]],
      ],
      ['one', 'a@b.c', 'spiffe://a/b', '10.0.0.1'],
    ],
    [[['IP', [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xa]]], ['2001:db8::a']],
    // One name that looks like two (CVE-2021-44532).
    [
      [
        ['DNS', 'evil, DNS:good'],
        ['URI', 'http://x/", DNS:good'],
      ],
      ['evil, DNS:good', 'http://x/", DNS:good'],
    ],
    [[], []],
  ])('%j: %j', (sans, names) => {
    expect(subjectAltNames(new X509Certificate(makeCertificate('x', { sans }).cert))).toEqual(names);
  });
});

describe('a client', () => {
  test('needs more than `authorized`, which is also set if a TLS 1.3 session is resumed without a certificate', () => {
    const socket = { authorized: true, getPeerX509Certificate: () => undefined } as unknown as TLSSocket;
    expect(clientFault(socket, { clientAuth: 'RequireAndVerifyClientCert', allowedSans: undefined })).toBe(
      'no client certificate',
    );
  });
});

describe('sockets of systemd', () => {
  test('are taken once, in order', () => {
    const env = { LISTEN_PID: '7', LISTEN_FDS: '3', LISTEN_FDNAMES: 'a:b:c', OTHER: 'x' };
    expect(takeSystemdSockets(env, 7)).toEqual([3, 4, 5]);
    expect(env).toEqual({ OTHER: 'x' });
  });

  test.each([
    [{}, 'no socket was passed (LISTEN_PID is not set)'],
    [{ LISTEN_PID: '8', LISTEN_FDS: '1' }, 'the sockets are for process 8, this is 7'],
    [{ LISTEN_PID: '7' }, 'no socket was passed (LISTEN_FDS is not above 0)'],
    [{ LISTEN_PID: '7', LISTEN_FDS: '0' }, 'no socket was passed'],
    [{ LISTEN_PID: '7', LISTEN_FDS: '-1' }, 'no socket was passed'],
  ])('%j', (env, why) => {
    expect(() => takeSystemdSockets(env, 7)).toThrow(`cannot use --web.systemd-socket: ${why}`);
  });
});
