/** The request gate in front of the routes: rate limit, headers, authentication, prefix. */
import { connect } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { describe, expect, test } from 'vitest';
import { makeCertificate } from '../../../support/http/certificates.ts';
import { eventually } from '../../../support/eventually.ts';
import { request } from '../../../support/http/request.ts';
import { askHttp2, basic, hashOf, openHttp2, startWeb, turnedAway } from '../../../support/http/web-server.ts';

const { cert, key } = makeCertificate('server');
const tls = 'tls_server_config: {cert_file: c, key_file: k}\n';
const files = { c: cert, k: key };
const headers = `
http_server_config:
  headers:
    X-Frame-Options: deny
    X-Content-Type-Options: nosniff
    X-XSS-Protection: 1
    Strict-Transport-Security: max-age=31536000; includeSubDomains
    Content-Security-Policy: "default-src 'self' *.test.example.net"
`;
const allHeaders = {
  'x-frame-options': 'deny',
  'x-content-type-options': 'nosniff',
  'x-xss-protection': '1',
  'strict-transport-security': 'max-age=31536000; includeSubDomains',
  'content-security-policy': "default-src 'self' *.test.example.net",
};

const pageRoute = (app: FastifyInstance) => {
  app.get('/page', async (_request, reply) => await reply.header('Content-Security-Policy', 'none').send('x'));
};

const echoRoutes = (app: FastifyInstance) => {
  app.get('/', async (incoming) => `page ${incoming.originalUrl}`);
  app.put('/metrics/job/*', async (incoming) => `${incoming.url} of ${incoming.originalUrl}`);
};

const failingCheck = async () => await Promise.reject(new Error('the thread died'));

describe('response headers', () => {
  const paths = ['/-/healthy', '/telemetry', '/nowhere', '/%', '/-/healthy?x'];

  test.each(paths)('%s', async (path) => {
    const web = await startWeb({ yaml: headers });
    expect((await request(web.url, path)).headers).toMatchObject(allHeaders);
  });

  test('are set over HTTP/2, and on a refusal', async () => {
    const web = await startWeb({ yaml: `${tls}${headers}basic_auth_users: {a: ${hashOf('b')}}`, files });
    const session = await openHttp2(web.port);
    expect(await askHttp2(session, '/-/healthy')).toMatchObject({ status: 401, headers: allHeaders });
    const allowed = await askHttp2(session, '/telemetry', { headers: basic('a', 'b') });
    expect(allowed).toMatchObject({ status: 200, headers: allHeaders });
    expect(allowed.text).toContain('pushgateway_http_turned_away_total{reason="unauthorized"} 1\n');
  });

  test('answers forbid content sniffing', async () => {
    const yaml = `${tls}basic_auth_users: {a: ${hashOf('b')}}`;
    const [plain, secure] = [await startWeb(), await startWeb({ yaml, files })];
    const session = await openHttp2(secure.port);
    const answers = [
      ...(await Promise.all(['/-/healthy', '/nowhere', '/%', '//x'].map((path) => request(plain.url, path)))),
      await request(plain.url, '/-/healthy', { method: 'PATCH' }),
      await askHttp2(session, '/-/healthy'),
      await askHttp2(session, '/-/healthy', { headers: basic('a', 'b') }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([200, 404, 400, 301, 405, 401, 200]);
    for (const answer of answers) expect(answer.headers['x-content-type-options']).toBe('nosniff');
  });

  test('can be replaced by a route', async () => {
    const web = await startWeb({ yaml: headers, routes: pageRoute });
    expect((await request(web.url, '/page')).headers).toMatchObject({
      ...allHeaders,
      'content-security-policy': 'none',
    });
  });
});

describe('basic authentication', () => {
  const yaml = `basic_auth_users: {alice: ${hashOf('wonder')}, "": ${hashOf('empty')}, bob: ${hashOf('builder')}}`;

  test.each<[Record<string, string>, number]>([
    [{}, 401],
    [basic('alice', 'wonder'), 200],
    [basic('bob', 'builder'), 200],
    [basic('', 'empty'), 200],
    [basic('alice', 'builder'), 401],
    [basic('alice', ''), 401],
    [basic('nobody', 'wonder'), 401],
    [{ authorization: 'Bearer x' }, 401],
  ])('%j: %d', async (given, status) => {
    const web = await startWeb({ yaml });
    for (const path of ['/-/healthy', '/-/ready', '/telemetry']) {
      const answer = await request(web.url, path, { headers: given });
      expect(answer.status).toBe(status);
      if (status === 401) {
        expect(answer.headers['www-authenticate']).toBe('Basic');
        expect(answer.text).toBe('Unauthorized\n');
      }
    }
    expect((await request(web.url, '/nowhere', { headers: given })).status).toBe(status === 200 ? 404 : 401);
  });

  test('the body of a refused request is not read', async () => {
    const bodies: string[] = [];
    const routes = (app: FastifyInstance) => {
      app.post('/push', async (incoming, reply) => {
        bodies.push(String(incoming.raw.readableLength));
        return await reply.send('');
      });
    };
    const web = await startWeb({ yaml, routes });
    const answer = await request(web.url, '/push', { method: 'POST', body: 'x'.repeat(1_000_000) });
    expect(answer.status).toBe(401);
    expect(bodies).toEqual([]);
  });

  test('answers 503 to new logins when there are too many, and accepts known ones', async () => {
    let release: (() => void) | undefined;
    const blocked = new Promise<void>((resolve) => (release = resolve));
    const compare = async (password: string) => {
      if (password !== 'wonder') await blocked;
      return password === 'wonder';
    };
    const web = await startWeb({ yaml, compare });
    const known = { headers: basic('alice', 'wonder') };
    expect((await request(web.url, '/-/healthy', known)).status).toBe(200);
    const flood = Array.from(
      { length: 40 },
      async (_, index) => await request(web.url, '/-/healthy', { headers: basic('alice', `guess${index}`) }),
    );
    const refused = (await Promise.race(flood)) as { status: number; headers: object; text: string };
    expect(refused).toMatchObject({ status: 503, headers: { 'retry-after': '1' } });
    for (let index = 0; index < 20; index++) expect((await request(web.url, '/-/healthy', known)).status).toBe(200);
    release?.();
    const statuses = (await Promise.all(flood)).map(({ status }) => status);
    expect(statuses.filter((status) => status === 401)).toHaveLength(17);
    expect(statuses.filter((status) => status === 503)).toHaveLength(23);
    expect(await turnedAway(web)).toMatchObject({ rate_limit: 0, unauthorized: 17, too_many_logins: 23 });
  });

  test('clients behind a trusted proxy are distinguished', async () => {
    let release: (() => void) | undefined;
    const blocked = new Promise<void>((resolve) => (release = resolve));
    const compare = async (password: string) => {
      await blocked;
      return password === 'wonder';
    };
    const web = await startWeb({ yaml, compare, args: ['--web.trusted-proxies=127.0.0.0/8'] });
    const login = async (client: string, password: string) => {
      const given = { ...basic('alice', password), 'x-forwarded-for': client };
      return (await request(web.url, '/-/healthy', { headers: given })).status;
    };
    const first = login('192.0.2.100', 'occupies the thread');
    const flood = Array.from({ length: 100 }, async (_, i) => await login(`2001:db8::${i}:1`, `guess${i}`));
    await eventually(async () => (await turnedAway(web))['too_many_logins'] === 84);
    const others = Array.from({ length: 10 }, async (_, i) => await login(`192.0.2.${i}`, 'wonder'));
    release?.();
    expect(await Promise.all(others)).toEqual(others.map(() => 200));
    expect(await first).toBe(401);
    expect((await Promise.all(flood)).filter((status) => status === 503)).toHaveLength(84);
  });

  test('a check that fails is logged and answered 503, not 401', async () => {
    const web = await startWeb({ yaml, compare: failingCheck });
    expect(await request(web.url, '/-/healthy', { headers: basic('alice', 'wonder') })).toMatchObject({ status: 503 });
    expect(web.log()).toContain('the thread died');
    expect(web.log()).not.toContain('wonder');
  });
});

test('rate limit', async () => {
  const yaml = `rate_limit: {interval: 1h, burst: 3}\nbasic_auth_users: {a: ${hashOf('b')}}`;
  const web = await startWeb({ yaml });
  const answers = [];
  for (let index = 0; index < 5; index++) answers.push(await request(web.url, '/-/healthy'));
  expect(answers.map(({ status }) => status)).toEqual([401, 401, 401, 429, 429]);
  expect(answers[4]).toMatchObject({ text: 'Too Many Requests\n', headers: { 'retry-after': '3600' } });
});

describe('the route prefix', () => {
  test.each<[string, string, number, string]>([
    ['GET', '/pre/fix/-/healthy', 200, 'OK'],
    ['GET', '/pre/fix/telemetry', 200, '# HELP'],
    ['GET', '/pre/fix/', 200, 'page /pre/fix/'],
    ['GET', '/pre/fix/?a=b', 200, 'page /pre/fix/?a=b'],
    ['PUT', '/pre/fix/metrics/job/a%20b?ttl=1m', 200, '/metrics/job/a%20b?ttl=1m of /pre/fix/metrics/job/a%20b'],
    ['PUT', '/pre/fix/metrics/%6Aob/a%2Fb/x', 200, '/metrics/job/a/b/x of /pre/fix/metrics/%6Aob/a%2Fb/x'],
    ['PUT', '/pre//fix/metrics/job/a', 301, ''],
    ['GET', '/pre//fix/<&', 301, '<a href="/pre/fix/&lt;&amp;">Moved Permanently</a>.\n\n'],
    ['PUT', 'http://anything:1/pre/fix/metrics/job/a', 200, '/metrics/job/a of /pre/fix/metrics/job/a'],
    ['GET', '/pre/fix', 301, '<a href="/pre/fix/">Moved Permanently</a>.\n\n'],
    ['GET', '/pre/fix?a=b', 301, '<a href="/pre/fix/?a=b">Moved Permanently</a>.\n\n'],
    ['HEAD', '/pre/fix', 404, ''],
    ['GET', '/', 404, '404 page not found\n'],
    ['HEAD', '/', 404, ''],
    ['POST', '/', 404, '404 page not found\n'],
    ['GET', '/-/healthy', 404, '404 page not found\n'],
    ['GET', '/telemetry', 404, '404 page not found\n'],
    ['GET', '/pre/fixed/telemetry', 404, '404 page not found\n'],
    ['GET', '/pre', 404, '404 page not found\n'],
    ['GET', '/x/pre/fix/telemetry', 404, '404 page not found\n'],
    ['PUT', '/pre/fix/telemetry', 405, 'Method Not Allowed\n'],
    ['GET', '/pre/fix/nowhere', 404, '404 page not found\n'],
  ])('%s %s: %d', async (method, path, status, beginning) => {
    const web = await startWeb({ args: ['--web.route-prefix=/pre/fix/'], routes: echoRoutes });
    expect(web.url).toBe(`http://127.0.0.1:${web.port}/pre/fix`);
    const answer = await request(web.url, path, { method });
    expect(answer.status).toBe(status);
    expect(answer.text.slice(0, beginning.length)).toBe(beginning);
    if (status === 301) expect(answer.headers.location).toMatch(/^\/pre\/fix\//);
  });

  test('is by default that of the external URL', async () => {
    const external = await startWeb({ args: ['--web.external-url=https://x.example/pg'] });
    expect(await request(external.url, '/pg/-/healthy')).toMatchObject({ status: 200 });
    const args = ['--web.external-url=https://x.example/pg', '--web.route-prefix=/'];
    const rewritten = await startWeb({ args });
    expect(await request(rewritten.url, '/-/healthy')).toMatchObject({ status: 200 });
  });

  test('applies to HTTP/2', async () => {
    const web = await startWeb({ yaml: tls, files, args: ['--web.route-prefix=pre'], routes: echoRoutes });
    const session = await openHttp2(web.port);
    expect(await askHttp2(session, '/pre/metrics/job/a', { method: 'PUT', body: 'x' })).toMatchObject({
      status: 200,
      text: '/metrics/job/a of /pre/metrics/job/a',
    });
    expect(await askHttp2(session, '/pre')).toMatchObject({ status: 301, headers: { location: '/pre/' } });
  });
});

test('a request that is not HTTP is answered 400', async () => {
  const web = await startWeb();
  const answer = await new Promise<string>((resolve) => {
    let text = '';
    const socket = connect(web.port, '127.0.0.1', () => void socket.write('nonsense\r\n\r\n'));
    socket.on('data', (chunk) => (text += String(chunk)));
    socket.on('close', () => resolve(text));
  });
  expect(answer).toMatch(/^HTTP\/1\.1 400 /);
});
