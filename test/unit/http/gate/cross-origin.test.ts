import type { FastifyInstance } from 'fastify';
import { describe, expect, test } from 'vitest';
import { AllowedHosts } from '../../../../shared/http/gate/allowed-hosts.ts';
import { otherOrigin } from '../../../../shared/http/gate/cross-origin.ts';
import { request } from '../../../support/http/request.ts';
import { startWeb, turnedAway } from '../../../support/http/web-server.ts';

describe('the origin of a request', () => {
  const host = 'gateway.example:9753';
  const own = 'http://gateway.example:9753';

  test.each<[string, Record<string, string>, string | undefined]>([
    ['no browser', { host }, undefined],
    ['our own page', { host, origin: own }, undefined],
    ['our own page, upper case', { host: 'Gateway.EXAMPLE:9753', origin: own }, undefined],
    ['our own page behind TLS', { host: 'gateway.example', origin: 'https://gateway.example' }, undefined],
    [
      'our own page behind TLS, with a port',
      { host: 'gateway.example:443', origin: 'https://gateway.example' },
      undefined,
    ],
    ['our own page over HTTP/2', { ':authority': host, origin: own }, undefined],
    ['our own page of an IPv6 address', { host: '[::1]:9753', origin: 'http://[::1]:9753' }, undefined],
    ['a proxy changes the host', { host: 'upstream', origin: own, 'sec-fetch-site': 'same-origin' }, undefined],
    ['a typed address', { host, 'sec-fetch-site': 'none' }, undefined],
    ['the external URL', { host: 'upstream', origin: 'https://external.example' }, undefined],
    [
      'the external URL of another site',
      { host, origin: 'https://external.example', 'sec-fetch-site': 'cross-site' },
      undefined,
    ],
    ['another name', { host, origin: 'http://evil.example:9753' }, 'http://evil.example:9753'],
    ['another port', { host, origin: 'http://gateway.example' }, 'http://gateway.example'],
    ['a name with the same prefix', { host, origin: `${own}.evil.example` }, `${own}.evil.example`],
    [
      'the host as a user',
      { host, origin: 'http://gateway.example:9753@evil.example' },
      'http://gateway.example:9753@evil.example',
    ],
    ['a sandboxed page', { host, origin: 'null' }, 'null'],
    ['an extension', { host, origin: 'chrome-extension://abc' }, 'chrome-extension://abc'],
    ['no host', { origin: own }, own],
    ['an empty host', { host: '', origin: own }, own],
    [
      'another port, as reported by the browser',
      { host, origin: 'http://gateway.example:1', 'sec-fetch-site': 'same-site' },
      'http://gateway.example:1',
    ],
    ['an image', { host, 'sec-fetch-site': 'cross-site' }, 'cross-site'],
    ['an unknown value of Sec-Fetch-Site', { host, origin: own, 'sec-fetch-site': 'near-site' }, own],
    ['two origins', { host, origin: `${own}, ${own}` }, `${own}, ${own}`],
  ])('%s', (_, headers, expected) => {
    expect(otherOrigin(headers, 'https://external.example')).toBe(expected);
  });
});

describe('accepted hosts', () => {
  const hosts = new AllowedHosts(['gateway.example', '*.gateways.example'], 'https://external.example:8443/path');

  test.each<[string | undefined, boolean]>([
    ['gateway.example', true],
    ['gateway.example:9753', true],
    ['GATEWAY.example.', true],
    ['a.gateways.example', true],
    ['a.b.gateways.example:1', true],
    ['external.example:8443', true],
    ['127.0.0.1:9753', true],
    ['10.1.2.3', true],
    ['[::1]:9753', true],
    ['[fd00::1]', true],
    ['localhost:9753', true],
    ['app.localhost', true],
    [undefined, true],
    ['', false],
    ['gateways.example', false],
    ['.gateways.example', false],
    ['evil.example', false],
    ['gateway.example.evil.example', false],
    ['evilgateway.example', false],
    ['127.0.0.1.evil.example', false],
    ['127.0.0.1@evil.example', false],
    ['evil.example:80:80', false],
    ['[evil.example]', false],
    ['localhost.evil.example', false],
  ])('%s: %s', (host, isAccepted) => {
    expect(hosts.accepts(host)).toBe(isAccepted);
    expect(new AllowedHosts([], 'https://external.example').accepts(host)).toBe(true);
  });
});

const evil = { headers: { origin: 'http://evil.example' } };

function routes(app: FastifyInstance): void {
  const answer = async () => await Promise.resolve('done');
  app.route({ method: ['GET', 'POST', 'PUT', 'DELETE'], url: '/thing', handler: answer });
  app.post('/push', { config: { crossOrigin: 'allow' } }, answer);
  app.get('/costly', { config: { crossOrigin: 'refuse' } }, answer);
}

test('a route decides about other origins; by default only requests that read are answered', async () => {
  const web = await startWeb({ routes });
  const ask = async (method: string, path: string, options = evil) =>
    (await request(web.url, path, { method, ...options })).status;
  for (const method of ['POST', 'PUT', 'DELETE']) {
    expect(await ask(method, '/thing')).toBe(403);
    expect(await ask(method, '/thing', { headers: { origin: web.url } })).toBe(200);
  }
  expect(await ask('GET', '/thing')).toBe(200);
  expect(await ask('POST', '/push')).toBe(200);
  expect(await ask('GET', '/costly')).toBe(403);
  expect(await ask('POST', '/nowhere')).toBe(404);
  expect(await ask('DELETE', '/push')).toBe(405);
  const { text } = await request(web.url, '/thing', { method: 'DELETE', ...evil });
  expect(text).toBe(
    'cannot accept DELETE from a page of another origin (http://evil.example): ' +
      'expected the origin of this server, or that of --web.external-url\n',
  );
  expect(await turnedAway(web)).toMatchObject({ cross_origin: 5 });
});

test('a name that is not accepted is answered 421, before the login', async () => {
  const args = ['--web.allowed-hosts=gateway.example', '--web.allowed-hosts=*.Gateways.example'];
  const web = await startWeb({ args, yaml: 'basic_auth_users: {a: x}'.replace('x', `$2y$10$${'.'.repeat(53)}`) });
  const ask = async (host: string) => (await request(web.url, '/-/healthy', { headers: { host } })).status;
  expect(await ask('evil.example')).toBe(421);
  expect(await ask('gateway.example')).toBe(401);
  expect(await ask('b.gateways.example:80')).toBe(401);
  expect(await ask(`127.0.0.1:${web.port}`)).toBe(401);
  expect(await turnedAway(web)).toMatchObject({ host: 1, unauthorized: 3 });
});
