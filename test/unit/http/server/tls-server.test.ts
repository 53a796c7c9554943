import { once } from 'node:events';
import { connect } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import { describe, expect, test } from 'vitest';
import { makeCertificate } from '../../../support/http/certificates.ts';
import { run, runOrThrow } from '../../../support/process/run.ts';
import { ask, askHttp2, handshake, openHttp2, startWeb, type Web } from '../../../support/http/web-server.ts';

const authority = makeCertificate('authority', { ca: true });
const server = authority.issue('server');
const stranger = makeCertificate('stranger', { sans: [['DNS', 'one']] });
const client = authority.issue('client', {
  sans: [
    ['DNS', 'test3'],
    ['IP', [10, 0, 0, 1]],
    ['URI', 'spiffe://a/b'],
  ],
});

const files = { 'server.crt': server.cert, 'server.key': server.key, 'ca.crt': authority.cert };
const tls = (...lines: string[]) =>
  ['tls_server_config:', 'cert_file: server.crt', 'key_file: server.key', ...lines].join('\n  ');

async function start(...lines: string[]): Promise<Web> {
  return await startWeb({ yaml: tls(...lines), files });
}

async function curl(web: Web, ...args: string[]): Promise<string> {
  const url = `https://localhost:${web.port}/-/healthy`;
  const format = '%{http_version} %{http_code}';
  return await runOrThrow('curl', ['-sS', '--cacert', `${web.folder}/ca.crt`, '-w', format, ...args, url]);
}

describe('HTTP over TLS', () => {
  test('speaks HTTP/1.1 or HTTP/2, as the client chooses', async () => {
    const web = await start();
    expect(web.url).toBe(`https://127.0.0.1:${web.port}`);
    expect(await curl(web)).toBe('OK2 200');
    expect(await curl(web, '--http1.1')).toBe('OK1.1 200');
    expect(await curl(web, '--no-alpn')).toBe('OK1.1 200');
    expect(await curl(web, '--http1.0')).toMatch(/^OK1\.[01] 200$/);
    await expect(handshake(web.port, { ALPNProtocols: ['spdy/3'] })).rejects.toThrow(/no application protocol/i);
  });

  test('http2: false', async () => {
    const web = await startWeb({ yaml: `${tls()}\nhttp_server_config: {http2: false}`, files });
    expect(await curl(web)).toBe('OK1.1 200');
  });

  test('with the flags of the predecessor', async () => {
    const web = await startWeb({ args: ['--tls.enabled', '--tls.cert=F/server.crt', '--tls.key=F/server.key'], files });
    expect(await curl(web)).toBe('OK2 200');
  });

  test('with certificates in the file', async () => {
    const yaml = `tls_server_config: {cert: ${JSON.stringify(server.cert)}, key: ${JSON.stringify(server.key)}}`;
    const web = await startWeb({ yaml, files });
    expect(await curl(web)).toBe('OK2 200');
  });

  test('a plain HTTP request is answered with an explanation', async () => {
    const web = await start();
    const { output } = await run('curl', ['-sS', '-i', `http://127.0.0.1:${web.port}/`]);
    expect(output).toMatch(/^HTTP\/1\.0 400 [^]*\nClient sent an HTTP request to an HTTPS server\.\n$/);
  });

  test('bytes that are not TLS do no harm', async () => {
    const web = await start();
    for (const bytes of ['GET / HTTP/1.1\r\nHost: x\r\n\r\n', '\0'.repeat(1_000), '']) {
      const socket = connect(web.port, '127.0.0.1').resume();
      socket.on('error', () => {});
      socket.end(bytes);
      await once(socket, 'close');
    }
    const session = await openHttp2(web.port);
    session.destroy();
    const raw = await handshake(web.port, { ALPNProtocols: ['h2'] });
    raw.on('error', () => {});
    raw.end('this is not HTTP/2');
    await once(raw.resume(), 'close');
    expect(await curl(web)).toBe('OK2 200');
  });
});

/** Protocol, cipher and key exchange, or the reason of the refusal. */
async function settle(web: Web, options: ConnectionOptions): Promise<string> {
  try {
    const socket = await handshake(web.port, options);
    const { name = '' } = socket.getEphemeralKeyInfo() as { name?: string };
    return `${socket.getProtocol()} ${socket.getCipher().standardName} ${name}`;
  } catch (thrown) {
    return String((thrown as NodeJS.ErrnoException).code);
  }
}

describe('the handshake', () => {
  const old: ConnectionOptions = { maxVersion: 'TLSv1.1', minVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' };
  const tls12: ConnectionOptions = { maxVersion: 'TLSv1.2' };
  const gcm = ['TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384', 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256'];
  const twoSuites = `cipher_suites: [${gcm.join(', ')}]`;
  const ours: ConnectionOptions = { ...tls12, ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384' };

  test.each<[string[], ConnectionOptions, RegExp]>([
    [[], {}, /^TLSv1\.3 /],
    [[], tls12, /^TLSv1\.2 TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 /],
    [[], old, /^ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION$/],
    [[], { ...tls12, ciphers: 'DHE-RSA-AES128-GCM-SHA256:AES128-SHA' }, /^ERR_SSL_.*HANDSHAKE_FAILURE$/],
    [['min_version: TLS10'], old, /^TLSv1\.1 TLS_ECDHE_ECDSA_WITH_AES_\d+_CBC_SHA /],
    [['min_version: TLS10'], {}, /^TLSv1\.3 /],
    [['min_version: TLS13'], tls12, /^ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION$/],
    [['max_version: TLS12'], {}, /^TLSv1\.2 /],
    [[twoSuites], ours, /AES_256_GCM/],
    [[twoSuites, 'prefer_server_cipher_suites: false'], ours, /AES_128_GCM/],
    [[twoSuites], { ...tls12, ciphers: 'ECDHE-ECDSA-CHACHA20-POLY1305' }, /^ERR_SSL_.*HANDSHAKE_FAILURE$/],
    [[twoSuites], {}, /^TLSv1\.3 /],
    [['min_version: TLS13', 'cipher_suites: [TLS_AES_128_GCM_SHA256]'], {}, /^TLSv1\.3 /],
    [['curve_preferences: [CurveP521]'], {}, / secp521r1$/],
    [['curve_preferences: [CurveP521]'], { ecdhCurve: 'X25519' }, /^ERR_SSL_.*HANDSHAKE_FAILURE$/],
    [['curve_preferences: [CurveP384, X25519]'], { ecdhCurve: 'P-256:X25519' }, / X25519$/],
  ])('%j %j', async (lines, options, outcome) => {
    expect(await settle(await start(...lines), options)).toMatch(outcome);
  });
});

/** Whether a request is answered, over both protocols, which must agree. */
async function isLetIn(web: Web, options: ConnectionOptions): Promise<boolean> {
  const http1 = await ask(web.port, '/-/healthy', options).then(
    ({ status }) => status === 200,
    () => false,
  );
  const http2 = await openHttp2(web.port, options)
    .then(async (session) => await askHttp2(session, '/-/healthy'))
    .then(
      ({ status }) => status === 200,
      () => false,
    );
  expect(http1).toBe(http2);
  return http1;
}

describe('client certificates', () => {
  const none = {};
  const signed = { cert: client.cert, key: client.key };
  const unsigned = { cert: stranger.cert, key: stranger.key };
  const ca = 'client_ca_file: ca.crt';

  test.each<[string[], noCertificate: boolean, signedOne: boolean, unsignedOne: boolean]>([
    [[], true, true, true],
    [['client_auth_type: NoClientCert'], true, true, true],
    [['client_auth_type: RequestClientCert'], true, true, true],
    [['client_auth_type: RequireAnyClientCert'], false, true, true],
    [['client_auth_type: RequireClientCert'], false, true, true],
    [['client_auth_type: VerifyClientCertIfGiven', ca], true, true, false],
    [['client_auth_type: RequireAndVerifyClientCert', ca], false, true, false],
    [
      ['client_auth_type: RequireAndVerifyClientCert', `client_ca: ${JSON.stringify(authority.cert)}`],
      false,
      true,
      false,
    ],
    // Without configured authorities the well-known ones are trusted.
    [['client_auth_type: RequireAndVerifyClientCert'], false, false, false],
    [['client_auth_type: RequireAndVerifyClientCert', ca, 'client_allowed_sans: [bad]'], false, false, false],
    [['client_auth_type: RequireAndVerifyClientCert', ca, 'client_allowed_sans: [x, test3]'], false, true, false],
    [['client_auth_type: RequireAndVerifyClientCert', ca, 'client_allowed_sans: [10.0.0.1]'], false, true, false],
    [['client_auth_type: RequireAndVerifyClientCert', ca, 'client_allowed_sans: [spiffe://a/b]'], false, true, false],
    [['client_auth_type: RequireAndVerifyClientCert', ca, 'client_allowed_sans: [test]'], false, false, false],
    [['client_auth_type: RequireAnyClientCert', 'client_allowed_sans: [one]'], false, false, true],
    [['client_auth_type: RequestClientCert', 'client_allowed_sans: [one]'], false, false, true],
  ])('%j', async (lines, noCertificate, signedOne, unsignedOne) => {
    const web = await start(...lines);
    expect(await Promise.all([none, signed, unsigned].map((options) => isLetIn(web, options)))).toEqual([
      noCertificate,
      signedOne,
      unsignedOne,
    ]);
  });
});
