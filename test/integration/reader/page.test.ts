import { beforeAll, describe, expect, test } from 'vitest';
import { startGateway, type Gateway } from '../../support/servers/gateway.ts';
import { sampleValue } from '../../support/metrics-text.ts';
import { startRedis } from '../../support/redis/server.ts';
import { applied, request, type Answer } from '../../support/http/request.ts';

// The page as it is served. test/e2e/page.test.ts opens it in a browser.

let gateway: Gateway;

beforeAll(async () => {
  gateway = await startGateway({ redis: await startRedis() });
  await gateway.push('/metrics/job/j/label/a%20b', 'm 1\n', applied);
});

const statusOf = async (path: string): Promise<number> => (await gateway.request(path)).status;
const b64 = (text: string): string => Buffer.from(text).toString('base64url');

describe.for(['/', '/status', '/?group=AAAAAAAAAAAAAAAAAAAAAA', '/?q={'])('%s', (path) => {
  let page: Answer;
  beforeAll(async () => {
    page = await gateway.request(path);
  });

  test('is HTML with a strict content security policy', () => {
    expect(page.headers).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'same-origin',
      'cache-control': 'no-store',
    });
    const policy = String(page.headers['content-security-policy']);
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toMatch(/unsafe|\*|https?:|data:/);
  });

  test('is well-formed', () => {
    expect(openTags(page.text)).toEqual([]);
    expect(page.text).not.toMatch(/ (?:style|on[a-z]+)="/);
    expect(page.text).not.toMatch(/undefined|\[object|NaN/);
  });

  test('all links can be followed', async () => {
    const links = [...page.text.matchAll(/(?:href|src|action)="([^"#][^"]*)"/g)].map(([, link = '']) =>
      link.replaceAll('&amp;', '&'),
    );
    for (const link of new Set(links)) expect(await statusOf(pathOf(link)), link).toBe(200);
  });
});

test('status codes', async () => {
  expect(await statusOf('/')).toBe(200);
  expect(await statusOf('/?q={')).toBe(400);
  expect(await statusOf('/?group=x')).toBe(404);
  expect(await statusOf('/static/page.ts')).toBe(404);
  expect(await statusOf('/static/..%2fpage.ts')).toBe(404);
  expect(await statusOf('/static/')).toBe(404);
});

test('a file may be cached if its version is requested', async () => {
  const [, path = ''] = /href="\.(\/static\/page\.css\?v=[0-9a-f]+)"/.exec((await gateway.request('/')).text) ?? [];
  expect((await gateway.request(path)).headers).toMatchObject({
    'content-type': 'text/css; charset=utf-8',
    'cache-control': 'public, max-age=31536000, immutable',
    'x-content-type-options': 'nosniff',
  });
  expect((await gateway.request('/static/page.css?v=old')).headers['cache-control']).toBe('no-cache');
  expect((await gateway.request('/static/page.js')).headers['content-type']).toBe('text/javascript; charset=utf-8');
});

test('requests are counted as by the official gateway', async () => {
  const count = async (handler: string): Promise<number> =>
    sampleValue(await gateway.telemetry(), 'pushgateway_http_requests_total', { handler, code: '200' }) ?? 0;
  const before = { status: await count('status'), static: await count('static') };
  await gateway.request('/');
  await gateway.request('/static/page.css');
  await expect.poll(() => count('status')).toBe(before.status + 1);
  await expect.poll(() => count('static')).toBe(before.static + 1);
});

test('the path of a delete button works with any labels', async () => {
  for (const job of ['a/b', '..', '.', '%2e%2e', 'a+b c', 'ü?#&"<>', '../../api/v1/admin/wipe', "'"]) {
    await gateway.push(`/metrics/job@base64/${b64(job)}/empty@base64/=/n@base64/${b64(job)}`, 'x 1\n', applied);
    const found = await gateway.request(`/?q=${encodeURIComponent('{empty="",job!="j"}')}`);
    const [, path = ''] = /data-path="([^"]*)"/.exec(found.text) ?? [];
    const toDelete = pathOf(path.replaceAll('&amp;', '&').replaceAll('&#39;', "'"));
    expect((await gateway.delete(toDelete, applied)).status).toBe(202);
    const left = JSON.parse((await gateway.request('/api/v1/groups')).text) as { data: { total: number } };
    expect(left.data.total, job).toBe(1);
  }
});

test('below a prefix, behind a proxy that keeps it and one that strips it', async () => {
  const leaves = await startGateway({
    redis: await startRedis(),
    args: ['--web.external-url=http://proxy.example/pg/', '--metrics.path=/m'],
    waitUntilReady: false,
  });
  await expect.poll(async () => (await request(leaves.url, '/pg/-/ready')).status, { timeout: 20_000 }).toBe(200);
  await leaves.push('/pg/metrics/job/j', 'x 1\n', applied);
  const { text } = await request(leaves.url, '/pg/');
  const [, toDelete = ''] = /data-path="([^"]*)"/.exec(text) ?? [];
  expect(toDelete).toBe('/pg/metrics/job/j');
  for (const [, link = ''] of text.matchAll(/(?:href|src|action)="([^"#][^"]*)"/g)) {
    expect(link).toMatch(/^\/pg\//);
    expect((await request(leaves.url, link)).status, link).toBe(200);
  }
  expect((await leaves.delete(toDelete, applied)).status).toBe(202);
  expect((await request(leaves.url, '/pg/')).text).toContain(
    'curl --data-binary @- http://proxy.example/pg/metrics/job/some_job',
  );

  const takesAway = await startGateway({
    redis: await startRedis(),
    args: ['--web.external-url=http://proxy.example/pg', '--web.route-prefix=/'],
  });
  expect((await takesAway.request('/')).text).toContain('href="/pg/status"');
});

test('below a prefix without an external URL', async () => {
  const prefixed = await startGateway({
    redis: await startRedis(),
    args: ['--web.route-prefix=/pg'],
    waitUntilReady: false,
  });
  await expect.poll(async () => (await request(prefixed.url, '/pg/-/ready')).status, { timeout: 20_000 }).toBe(200);
  await prefixed.push('/pg/metrics/job/j', 'x 1\n', applied);
  for (const page of ['/pg/', '/pg/status']) {
    const { text } = await request(prefixed.url, page);
    const links = [...text.matchAll(/(?:href|src|action)="([^"#][^"]*)"/g)].map(([, link = '']) => pathOf(link, page));
    expect(links.length).toBeGreaterThan(5);
    for (const link of links) expect((await request(prefixed.url, link)).status, link).toBe(200);
  }
  const [, toDelete = ''] = /data-path="([^"]*)"/.exec((await request(prefixed.url, '/pg/')).text) ?? [];
  expect(pathOf(toDelete, '/pg/')).toBe('/pg/metrics/job/j');
  expect((await prefixed.delete(pathOf(toDelete, '/pg/'), applied)).status).toBe(202);
  expect((await request(prefixed.url, '/pg/')).text).toContain(
    `curl --data-binary @- ${prefixed.url}/pg/metrics/job/some_job`,
  );
});

/** The path that a browser requests for a link on this page. */
function pathOf(link: string, page = '/'): string {
  const { pathname, search } = new URL(link, `http://gateway${page}`);
  return pathname + search;
}

/** Elements that are not properly nested. */
function openTags(page: string): string[] {
  const open: string[] = [];
  const wrong: string[] = [];
  for (const [, slash, name = ''] of page.matchAll(/<(\/?)([a-z][a-z0-9]*)(?:\s[^>]*)?>/g)) {
    if (['meta', 'link', 'input'].includes(name)) continue;
    if (slash === '') open.push(name);
    else if (open.pop() !== name) wrong.push(name);
  }
  return [...wrong, ...open];
}
