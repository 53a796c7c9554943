/** The web configuration file is reloaded while the server runs. */
import { setTimeout as sleep } from 'node:timers/promises';
import { X509Certificate } from 'node:crypto';
import { renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import type { ConnectionOptions } from 'node:tls';
import { describe, expect, test } from 'vitest';
import { makeCertificate } from '../../../support/http/certificates.ts';
import { eventually } from '../../../support/eventually.ts';
import { request } from '../../../support/http/request.ts';
import {
  ask,
  askHttp2,
  basic,
  handshake,
  hashOf,
  POLL_MS,
  openHttp2,
  startWeb,
  type Web,
} from '../../../support/http/web-server.ts';

const authority = makeCertificate('authority', { ca: true });
const first = authority.issue('first');
const second = authority.issue('second');
const client = authority.issue('client');

const files = { 'server.crt': first.cert, 'server.key': first.key, 'ca.crt': authority.cert };
const tls = (...lines: string[]) =>
  ['tls_server_config:', 'cert_file: server.crt', 'key_file: server.key', ...lines].join('\n  ');

async function nameOf(web: Web): Promise<string> {
  const socket = await handshake(web.port);
  const subject = socket.getPeerX509Certificate()?.subject ?? '';
  socket.destroy();
  return subject.replace('CN=', '');
}

async function reloads({ registry }: Web): Promise<number | undefined> {
  const metric = await registry.getSingleMetric('pushgateway_web_config_last_reload_successful')?.get();
  return metric?.values[0]?.value;
}

const faultLines = (web: Web) =>
  web
    .log()
    .split('\n')
    .filter((line) => line.includes('cannot reload the web configuration'));

describe('certificates', () => {
  test('are renewed while open connections and sessions stay', async () => {
    const web = await startWeb({ yaml: tls(), files });
    const session = await openHttp2(web.port);
    expect(await nameOf(web)).toBe('first');
    web.write(second.cert, 'server.crt');
    web.write(second.key, 'server.key');
    await eventually(async () => (await nameOf(web)) === 'second');
    expect(await askHttp2(session, '/-/healthy')).toMatchObject({ status: 200 });
    expect(web.log()).toContain('msg="web configuration reloaded"');
    expect(faultLines(web)).toEqual([]);
  });

  test('given by flags are renewed as well', async () => {
    const web = await startWeb({ args: ['--tls.enabled', '--tls.cert=F/server.crt', '--tls.key=F/server.key'], files });
    web.write(second.cert, 'server.crt');
    web.write(second.key, 'server.key');
    await eventually(async () => (await nameOf(web)) === 'second');
  });

  test('behind a symbolic link that is replaced, as Kubernetes does', async () => {
    const web = await startWeb({ yaml: tls(), files: { ...files, 'new.crt': second.cert, 'new.key': second.key } });
    for (const kind of ['crt', 'key']) {
      symlinkSync(`new.${kind}`, join(web.folder, `link.${kind}`));
      renameSync(join(web.folder, `link.${kind}`), join(web.folder, `server.${kind}`));
    }
    await eventually(async () => (await nameOf(web)) === 'second');
  });

  test('that are broken or do not fit their key are refused and logged once; the right key is accepted', async () => {
    const web = await startWeb({ yaml: tls(), files });
    web.write(second.cert, 'server.crt');
    await eventually(() => faultLines(web).length === 1);
    expect(faultLines(web)[0]).toContain('expected the key of the certificate');
    expect(await nameOf(web)).toBe('first');
    expect(await reloads(web)).toBe(0);
    await sleep(4 * POLL_MS);
    expect(faultLines(web)).toHaveLength(1);
    web.write(second.key, 'server.key');
    await eventually(async () => (await nameOf(web)) === 'second');
    expect(await reloads(web)).toBe(1);
  });
});

const statusOf = async ({ url }: Web, headers = {}) => (await request(url, '/-/healthy', { headers })).status;

const isLetIn = async (web: Web, options: ConnectionOptions = {}) =>
  await ask(web.port, '/-/healthy', options).then(
    ({ status }) => status === 200,
    () => false,
  );

const mine = { cert: client.cert, key: client.key };

describe('the file', () => {
  test('users', async () => {
    const web = await startWeb({ yaml: `basic_auth_users: {alice: ${hashOf('wonder')}}` });
    expect(await statusOf(web, basic('alice', 'wonder'))).toBe(200);
    web.write(`basic_auth_users: {bob: ${hashOf('builder')}}`);
    await eventually(async () => (await statusOf(web, basic('bob', 'builder'))) === 200);
    expect(await statusOf(web, basic('alice', 'wonder'))).toBe(401);
    web.write(`basic_auth_users: {alice: ${hashOf('other')}, bob: ${hashOf('builder')}}`);
    await eventually(async () => (await statusOf(web, basic('alice', 'other'))) === 200);
    expect(await statusOf(web, basic('alice', 'wonder'))).toBe(401);
    web.write('');
    await eventually(async () => (await statusOf(web)) === 200);
  });

  test('logins stay valid when something else changes', async () => {
    let checks = 0;
    const compare = async () => await Promise.resolve(++checks > 0);
    const users = `basic_auth_users: {alice: ${hashOf('wonder')}}`;
    const web = await startWeb({ yaml: users, compare });
    await statusOf(web, basic('alice', 'wonder'));
    web.write(`${users}\nhttp_server_config: {headers: {X-Frame-Options: deny}}`);
    await eventually(async () => {
      const { headers, status } = await request(web.url, '/-/healthy', { headers: basic('alice', 'wonder') });
      expect(status).toBe(200);
      return headers['x-frame-options'] === 'deny';
    });
    expect(checks).toBe(1);
  });

  test('a file that is empty while it is written does not switch authentication off', async () => {
    const yaml = `basic_auth_users: {alice: ${hashOf('wonder')}}`;
    const web = await startWeb({ yaml });
    const until = performance.now() + 10 * POLL_MS;
    while (performance.now() < until) {
      web.write('');
      expect(await statusOf(web)).toBe(401);
      web.write(yaml);
      expect(await statusOf(web)).toBe(401);
      await sleep(5);
    }
  });

  test('a broken file changes nothing, and each is logged once', async () => {
    const yaml = `basic_auth_users: {alice: ${hashOf('wonder')}}`;
    const web = await startWeb({ yaml });
    web.write('basic_auth_users: {alice: hunter2}\nfoo: 1');
    await eventually(() => faultLines(web).length === 1);
    expect(faultLines(web)[0]).toMatch(
      /basic_auth_users\.alice .*web\.yml, line 1.*unknown key foo .*web\.yml, line 2/,
    );
    expect(web.log()).not.toContain('hunter2');
    expect([await statusOf(web), await statusOf(web, basic('alice', 'wonder'))]).toEqual([401, 200]);
    renameSync(join(web.folder, 'web.yml'), join(web.folder, 'away.yml'));
    await eventually(() => faultLines(web).length === 2);
    expect(faultLines(web)[1]).toContain('ENOENT');
    writeFileSync(join(web.folder, 'web.yml'), '');
    await eventually(async () => (await statusOf(web)) === 200);
  });

  test('the rate limit', async () => {
    const web = await startWeb({ yaml: 'rate_limit: {interval: 1h, burst: 1}' });
    expect([await statusOf(web), await statusOf(web)]).toEqual([200, 429]);
    // A change of anything else does not refill it.
    web.write('rate_limit: {interval: 1h, burst: 1}\nhttp_server_config: {headers: {X-Frame-Options: deny}}');
    await eventually(() => web.log().includes('web configuration reloaded'));
    expect(await statusOf(web)).toBe(429);
    web.write('rate_limit: {interval: 1h, burst: 2}');
    await eventually(async () => (await statusOf(web)) === 200);
  });

  test('cannot switch TLS on or off', async () => {
    const web = await startWeb({ yaml: tls(), files });
    web.write('');
    await eventually(() => faultLines(web).length === 1);
    expect(faultLines(web)[0]).toContain('cannot switch TLS off while running');
    expect(await ask(web.port, '/-/healthy')).toMatchObject({ status: 200 });

    const plain = await startWeb({ yaml: '', files });
    plain.write(tls());
    await eventually(() => faultLines(plain).length === 1);
    expect(faultLines(plain)[0]).toContain('cannot switch TLS on while running');
    expect(await statusOf(plain)).toBe(200);
  });

  test('can begin to request client certificates', async () => {
    const web = await startWeb({ yaml: tls(), files });
    expect([await isLetIn(web), await isLetIn(web, mine)]).toEqual([true, true]);
    web.write(tls('client_auth_type: RequireAndVerifyClientCert', 'client_ca_file: ca.crt'));
    await eventually(async () => !(await isLetIn(web)));
    expect(await isLetIn(web, mine)).toBe(true);
  });

  test('client certificates, TLS versions, HTTP/2', async () => {
    const web = await startWeb({
      yaml: tls('client_auth_type: VerifyClientCertIfGiven', 'client_ca_file: ca.crt'),
      files,
    });
    const [session] = (await once(await handshake(web.port), 'session')) as [Buffer];
    expect([await isLetIn(web), await isLetIn(web, { session }), await isLetIn(web, mine)]).toEqual([true, true, true]);
    web.write(tls('client_auth_type: RequireAndVerifyClientCert', 'client_ca_file: ca.crt', 'min_version: TLS13'));
    await eventually(async () => !(await isLetIn(web)));
    expect([await isLetIn(web, { session }), await isLetIn(web, mine)]).toEqual([false, true]);
    await expect(handshake(web.port, { ...mine, maxVersion: 'TLSv1.2' })).rejects.toThrow(/alert protocol version/);
    web.write(`${tls()}\nhttp_server_config: {http2: false}`);
    await eventually(async () => await isLetIn(web));
    expect((await handshake(web.port, { ALPNProtocols: ['h2', 'http/1.1'] })).alpnProtocol).toBe('http/1.1');
    web.write(tls('client_auth_type: RequireAndVerifyClientCert', 'client_ca_file: ca.crt'));
    await eventually(async () => !(await isLetIn(web)));
    expect(await isLetIn(web, mine)).toBe(true);
  });
});

test('the certificates of these tests match their names', () => {
  expect(new X509Certificate(first.cert).verify(new X509Certificate(authority.cert).publicKey)).toBe(true);
});
