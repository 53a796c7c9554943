import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { GatewayError } from '../../../../shared/errors.ts';
import { readWebConfig } from '../../../../shared/http/web-config/web-config-file.ts';
import { WebSettingsSource, type WebSettings } from '../../../../shared/http/web-config/web-settings.ts';
import { createLogger } from '../../../../shared/logger.ts';
import { makeCertificate } from '../../../support/http/certificates.ts';
import { configFromFlags } from '../../../support/config.ts';
import { projectFolder } from '../../../support/project.ts';
import { temporaryFolder } from '../../../support/process/temporary.ts';

const HASH = '$2y$10$2UXri9cIDdgeKjBo4Rlpx.U3ZLDV8X1IxKmsfOvhcM5oXQt/mLmXq';

const tls = (more: string) => `tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n  ${more}`;

const inline = (pem: string) => JSON.stringify(pem);

describe('the file', () => {
  test('every key', () => {
    const content = `
tls_server_config:
  cert_file: server.crt
  key_file: /keys/server.key
  client_ca_file: ca/clients.crt
  client_auth_type: RequireClientCert
  client_allowed_sans: [one, "two"]
  min_version: TLS10
  max_version: TLS12
  cipher_suites:
    - TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
  curve_preferences: [X25519, CurveP256]
  prefer_server_cipher_suites: no
http_server_config:
  http2: false
  headers:
    X-Frame-Options: deny
    X-XSS-Protection: 1
    Strict-Transport-Security: ""
    Content-Security-Policy:
rate_limit: { interval: 100ms, burst: 20 }
basic_auth_users:
  alice: ${HASH}
  0123: "${HASH}"
`;
    const { file, faults } = readWebConfig(content, '/etc/web.yml');
    expect(faults).toEqual([]);
    expect(file).toEqual({
      tls: {
        certFile: '/etc/server.crt',
        keyFile: '/keys/server.key',
        clientCaFile: '/etc/ca/clients.crt',
        cert: '',
        key: '',
        clientCa: '',
        clientAuth: 'RequireAnyClientCert',
        allowedSans: ['one', 'two'],
        minVersion: 'TLS10',
        maxVersion: 'TLS12',
        cipherSuites: ['TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256'],
        curves: ['X25519', 'CurveP256'],
        preferServerCiphers: false,
      },
      http2: false,
      headers: [
        ['X-Frame-Options', 'deny'],
        ['X-XSS-Protection', '1'],
      ],
      users: new Map([
        ['alice', HASH],
        ['0123', HASH],
      ]),
      rateLimit: { intervalMs: 100, burst: 20 },
    });
  });

  test('the example in the documentation', () => {
    const document = readFileSync(join(projectFolder, 'docs/web-config.md'), 'utf8');
    const content = /```yaml\n([^]*?)```/.exec(document)?.[1] ?? '';
    const { file, faults } = readWebConfig(content, '/etc/web.yml');
    expect(faults).toEqual([]);
    expect(file.tls).toMatchObject({ certFile: '/etc/server.crt', allowedSans: ['job-runner', '10.0.0.7'] });
    expect(file).toMatchObject({ http2: true, rateLimit: { intervalMs: 10, burst: 100 } });
    expect([file.headers.length, file.users.size]).toEqual([5, 1]);
  });

  test.each([
    '',
    '# nothing\n',
    'tls_server_config:\n',
    'tls_server_config: {cert_file: "", key_file: }',
    'basic_auth_users: {}',
    'rate_limit: {interval: 0, burst: 0}',
    '---\nhttp_server_config: {headers: {}}\n',
  ])('%j sets nothing', (content) => {
    const { file, faults } = readWebConfig(content, 'f');
    expect(faults).toEqual([]);
    expect(file).toEqual({ tls: undefined, http2: true, headers: [], users: new Map(), rateLimit: undefined });
  });

  test.each<[string, ...string[]]>([
    ['just words', 'cannot use the file (f, line 1): expected keys such as tls_server_config'],
    ['[1]', 'cannot use the file (f, line 1): expected keys'],
    ['a: [', 'cannot read f, line 1: expected YAML, found: '],
    ['rate_limit: {}\nrate_limit: {}', 'cannot read f, line 2: expected YAML, found: duplicate key'],
    ['tls_server_conf: {}', 'cannot use unknown key tls_server_conf (f, line 1): did you mean tls_server_config?'],
    [
      '\n\ntls_server_config: {cert_filse: x}',
      'cannot use unknown key tls_server_config.cert_filse (f, line 3): did y',
    ],
    ['toString: 1', 'cannot use unknown key toString (f, line 1)'],
    ['? [a]\n: 1', 'cannot use unknown key "?" (f, line 1)'],
    ['tls_server_config: 5', 'cannot use tls_server_config (f, line 1): expected keys below it'],
    ['tls_server_config: {cert_file: [x]}', 'cannot use tls_server_config.cert_file (f, line 1): expected one value'],
    [
      'tls_server_config:\n  min_version: TLS111',
      'cannot use tls_server_config.min_version "TLS111" (f, line 2): expected one of TLS10, TLS11, TLS12, TLS13',
    ],
    [
      'tls_server_config: {max_version: 1.3}',
      'cannot use tls_server_config.max_version "1.3" (f, line 1): expected one of TLS10',
    ],
    [
      'tls_server_config: {client_auth_type: Require}',
      'cannot use tls_server_config.client_auth_type "Require" (f, line 1): expected one of NoClientCert, RequestClientC',
    ],
    [
      'tls_server_config: {client_allowed_sans: one}',
      'cannot use tls_server_config.client_allowed_sans (f, line 1): expected a list of texts',
    ],
    [
      'tls_server_config: {client_allowed_sans: []}',
      'cannot use tls_server_config.client_allowed_sans (f, line 1): expected a name',
    ],
    [
      'http_server_config: {http2: false}\ntls_server_config:\n  cipher_suites:\n  - TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA2048',
      'cannot use tls_server_config.cipher_suites "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA2048" (f, line 3): did you mean ' +
        'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256?',
    ],
    [
      'tls_server_config: {cipher_suites: [TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384]}',
      'cannot use tls_server_config.cipher_suites (f, line 1): expected one of TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, ' +
        'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 as well, which HTTP/2 requires, or http2: false',
    ],
    [
      'tls_server_config: {curve_preferences: [CurveP257]}',
      'cannot use tls_server_config.curve_preferences "CurveP257" (f, line 1): did you mean CurveP256?',
    ],
    [
      'tls_server_config: {prefer_server_cipher_suites: 2}',
      'cannot use tls_server_config.prefer_server_cipher_suites "2" (f, line 1): expected true or false',
    ],
    ['http_server_config: {http2: maybe}', 'cannot use http_server_config.http2 "maybe" (f, line 1): expected true or'],
    [
      'http_server_config: {headers: {Content-Type: foo}}',
      'cannot use unknown key http_server_config.headers.Content-Type (f, line 1): ',
    ],
    [
      'http_server_config: {headers: {x-frame-options: deny}}',
      'cannot use unknown key http_server_config.headers.x-frame-options (f, line 1): did you mean ' +
        'http_server_config.headers.X-Frame-Options?',
    ],
    [
      'http_server_config: {headers: {X-Frame-Options: foo}}',
      'cannot use http_server_config.headers.X-Frame-Options "foo" (f, line 1): expected one of deny, sameorigin',
    ],
    [
      'http_server_config: {headers: {X-Content-Type-Options: sniff}}',
      'cannot use http_server_config.headers.X-Content-Type-Options "sniff" (f, line 1): expected one of nosniff',
    ],
    [
      'http_server_config: {headers: {Content-Security-Policy: "a\\r\\nSet-Cookie: b"}}',
      String.raw`cannot use http_server_config.headers.Content-Security-Policy "a\r\nSet-Cookie: b" (f, line 1): exp`,
    ],
    ['rate_limit: {interval: 1s}', 'cannot use rate_limit.burst (f, line 1): expected at least 1'],
    ['rate_limit:\n  interval: 1s\n  burst: 0', 'cannot use rate_limit.burst (f, line 3): expected at least 1'],
    ['rate_limit: {interval: 5, burst: 1}', 'cannot use rate_limit.interval "5" (f, line 1): expected a duration'],
    ['rate_limit: {interval: -1s, burst: 1}', 'cannot use rate_limit.interval "-1s" (f, line 1): expected a duration'],
    ['rate_limit: {interval: 1s, burst: x}', 'cannot use rate_limit.burst "x" (f, line 1): expected a whole number'],
    ['basic_auth_users: [alice]', 'cannot use basic_auth_users (f, line 1): expected a bcrypt hash for each user'],
    [
      'basic_auth_users:\n  alice: secret\n  bob:',
      'cannot use basic_auth_users.alice (f, line 2): expected a bcrypt hash',
      'cannot use basic_auth_users.bob (f, line 3): expected a bcrypt hash',
    ],
    [
      `basic_auth_users:\n  "a:b": ${HASH}`,
      'cannot use basic_auth_users."a:b" (f, line 2): expected a name without a colon',
    ],
    [
      `basic_auth_users: {a: ${HASH.replace('10', '03')}, b: ${HASH}x, c: ${HASH.replace('2y', '2x')}}`,
      'cannot use basic_auth_users.a (f, line 1): ',
      'cannot use basic_auth_users.b (f, line 1): ',
      'cannot use basic_auth_users.c (f, line 1): ',
    ],
    [
      'rate_limt: {}\nhttp_server_config:\n  http2: x\nbasic_auth_users: {a: b}',
      'cannot use unknown key rate_limt (f, line 1)',
      'cannot use http_server_config.http2 "x" (f, line 3)',
      'cannot use basic_auth_users.a (f, line 4)',
    ],
  ])('%j', (content, ...beginnings) => {
    const { faults } = readWebConfig(content, 'f');
    expect(faults.map((fault, index) => fault.slice(0, beginnings[index]?.length ?? 500))).toEqual(beginnings);
    for (const fault of faults) expect(fault).not.toMatch(/[\r\n]/);
  });

  test.each([
    'basic_auth_users: {alice: hunter2}',
    'basic_auth_users: {alice: *hunter2}',
    'basic_auth_users: hunter2',
    'basic_auth_users: {alice: [hunter2]}',
    'basic_auth_users:\n  alice: hunter2\n bob: hunter2',
    'basic_auth_user: {alice: hunter2}',
    'tls_server_config: {key: [hunter2]}',
    'tls_server_config: {key: *hunter2}',
    'tls_server_config: {kee: hunter2}',
    'tls_server_config: {key: hunter2, key: hunter2}',
  ])('%j keeps the secret', (content) => {
    const { faults } = readWebConfig(content, 'f');
    expect(faults).not.toEqual([]);
    expect(faults.join('\n')).not.toContain('hunter2');
  });
});

describe('with its certificates', () => {
  const server = makeCertificate('server');
  const other = makeCertificate('other');

  /** Loads it from a folder with certificates, which is F in faults. */
  function load(content: string, ...flags: string[]): WebSettings | string[] {
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'sub'));
    const files = {
      'web.yml': content,
      'server.crt': server.cert,
      'server.key': server.key,
      'other.key': other.key,
      junk: 'junk',
      empty: '',
    };
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    const config = configFromFlags(
      ...(content === '' ? [] : [`--web.config.file=${join(folder, 'web.yml')}`]),
      ...flags.map((flag) => flag.replace('F', folder)),
    );
    const source = new WebSettingsSource(config, createLogger({ level: 'error', format: 'logfmt' }));
    try {
      return source.load();
    } catch (thrown) {
      if (!(thrown instanceof GatewayError) || thrown.code !== 'config_invalid') throw thrown;
      return thrown.message.replaceAll(folder, 'F').split('\n');
    }
  }

  test.each<[string, string[]?]>([
    [tls('')],
    [tls('client_auth_type: VerifyClientCertIfGiven')],
    [tls('client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: server.crt')],
    [`tls_server_config: {cert: ${inline(server.cert)}, key: ${inline(server.key)}}`],
    [`tls_server_config: {cert_file: server.crt, key: ${inline(server.key)}}`],
    [tls('min_version: TLS10\n  max_version: TLS11')],
    [tls('min_version: TLS13')],
    [tls('cipher_suites: [TLS_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]')],
    [tls('curve_preferences: [CurveP256, CurveP384, CurveP521, X25519]')],
    ['', ['--tls.enabled', '--tls.cert=F/server.crt', '--tls.key=F/server.key']],
    ['rate_limit: {}', ['--tls.enabled', '--tls.cert=F/server.crt', '--tls.key=F/server.key']],
  ])('%j %j is right', (content, flags = []) => {
    expect(load(content, ...flags)).toMatchObject({ tls: { context: { cert: server.cert } } });
  });

  test.each<[string, ...string[]]>([
    [
      'tls_server_config: {min_version: TLS12}',
      'cannot use tls_server_config.cert_file (F/web.yml, line 1): expected cert_file or cert, which TLS requires',
      'cannot use tls_server_config.key_file (F/web.yml, line 1): expected key_file or key, which TLS requires',
    ],
    [
      'tls_server_config: {cert_file: "", key_file: server.key}',
      'cannot use tls_server_config.cert_file (F/web.yml, line 1): expected cert_file or cert',
    ],
    [
      'tls_server_config: {cert_file: server.crt}',
      'cannot use tls_server_config.key_file (F/web.yml, line 1): expected key_file or key',
    ],
    [
      'tls_server_config:\n  cert_file: absent\n  key_file: sub',
      'cannot use tls_server_config.cert_file "F/absent" (F/web.yml, line 2): expected a file that can be read, got ENOENT',
      'cannot use tls_server_config.key_file "F/sub" (F/web.yml, line 3): expected a file that can be read, got EISDIR',
    ],
    [
      'tls_server_config:\n  cert_file: junk\n  key_file: empty',
      'cannot use tls_server_config.cert_file "F/junk" (F/web.yml, line 2): expected a certificate in PEM',
      'cannot use tls_server_config.key_file "F/empty" (F/web.yml, line 3): expected a private key in PEM',
    ],
    [
      'tls_server_config:\n  cert_file: server.crt\n  key_file: other.key',
      'cannot use tls_server_config.key_file "F/other.key" (F/web.yml, line 3): expected the key of the certificate',
    ],
    [
      `tls_server_config:\n  cert_file: server.crt\n  key: ${inline(other.key)}`,
      'cannot use tls_server_config.key (F/web.yml, line 3): expected the key of the certificate',
    ],
    [
      tls(`cert: ${inline(server.cert)}`),
      'cannot use tls_server_config.cert (F/web.yml, line 4): expected either cert or cert_file, got both',
    ],
    [
      tls('client_ca_file: server.crt'),
      'cannot use tls_server_config.client_ca_file (F/web.yml, line 4): expected a client_auth_type as well',
    ],
    [
      tls('client_allowed_sans: [one]'),
      'cannot use tls_server_config.client_allowed_sans (F/web.yml, line 4): expected a client_auth_type as well',
    ],
    [
      tls('client_ca_file: junk\n  client_auth_type: RequireAndVerifyClientCert'),
      'cannot use tls_server_config.client_ca_file "F/junk" (F/web.yml, line 4): expected at least one certificate',
    ],
    [
      tls('client_ca: junk\n  client_auth_type: what'),
      'cannot use tls_server_config.client_auth_type "what" (F/web.yml, line 5): expected one of',
      'cannot use tls_server_config.client_ca (F/web.yml, line 4): expected at least one certificate in PEM',
    ],
    [
      tls('min_version: TLS13\n  max_version: TLS12'),
      'cannot use tls_server_config.min_version "TLS13" (F/web.yml, line 4): expected at most max_version, which is',
    ],
  ])('%j', (content, ...beginnings) => {
    const faults = load(content);
    if (!Array.isArray(faults)) throw new Error('no fault');
    expect(faults.map((fault, index) => fault.slice(0, beginnings[index]?.length ?? 500))).toEqual(beginnings);
  });

  test('flags', () => {
    expect(load('', '--tls.enabled', '--tls.cert=F/absent', '--tls.key=F/junk')).toEqual([
      'cannot use --tls.cert "F/absent": expected a file that can be read, got ENOENT',
      'cannot use --tls.key "F/junk": expected a private key in PEM, without a passphrase',
    ]);
    expect(load(tls(''), '--tls.enabled', '--tls.cert=F/server.crt', '--tls.key=F/server.key')).toEqual([
      'cannot use tls_server_config (F/web.yml, line 1): expected no certificate here, --tls.enabled gives one',
    ]);
    expect(load('', '--web.config.file=F/absent')).toEqual([
      'cannot use --web.config.file "F/absent": expected a file that can be read, got ENOENT',
    ]);
  });
});
