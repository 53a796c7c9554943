import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { chromium, type Browser, type Page } from 'playwright-core';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startGateway, type Gateway } from '../support/servers/gateway.ts';
import { fileTag } from '../support/process/process-tags.ts';
import { sampleSum } from '../support/metrics-text.ts';
import { startRedis, type RedisServer } from '../support/redis/server.ts';
import { applied } from '../support/http/request.ts';
import { hold } from '../support/process/resources.ts';
import { findTool, missing } from '../support/process/tools.ts';

// A real browser on a page of another origin, with access to a gateway without logins.

const executablePath = findTool('chromium');
/** Names of this machine. Browsers name the origin of GETs only to 127.0.0.1 and localhost, or over HTTPS. */
const NAMES = ['gateway.example', 'rebound.example', 'evil.example'];
const ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  `--host-resolver-rules=${NAMES.map((name) => `MAP ${name} 127.0.0.1`).join(', ')}`,
];
const ENABLED = ['--redis.expiration=1h', '--web.enable-admin-api', '--web.enable-lifecycle'];
const LETTERS = '/api/v1/dead-letters';

let redis: RedisServer;
let open: Gateway;
let strict: Gateway;
let elsewhere: number;
let browser: Browser;

beforeAll(async () => {
  if (executablePath === undefined) return;
  redis = await startRedis();
  open = await startGateway({ redis, args: ENABLED });
  const strictArgs = ['--web.cross-origin-pushes=refuse', '--web.allowed-hosts=gateway.example'];
  strict = await startGateway({ redis, args: [...ENABLED, ...strictArgs] });
  elsewhere = await serveEmptyPage();
  const env = { ...process.env, TEST_TAG: fileTag } as Record<string, string>;
  const started = await chromium.launch({ executablePath, args: ARGS, env });
  hold('chromium', async () => await started.close());
  browser = started;
});

/** A foreign web site; returns its port. */
async function serveEmptyPage(): Promise<number> {
  const server: Server = createServer((_request, response) => {
    response.setHeader('Content-Type', 'text/html').end('<!doctype html><title>elsewhere</title>');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  hold('another web site', async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return (server.address() as AddressInfo).port;
}

interface Letter {
  readonly id: string;
}

async function letters(): Promise<string[]> {
  const { text } = await open.request(LETTERS);
  return (JSON.parse(text) as { data: Letter[] }).data.map(({ id }) => id);
}

beforeEach(async ({ skip }) => {
  skip(...missing('chromium'));
  await open.request('/api/v1/admin/wipe', { method: 'PUT', ...applied });
  await open.push('/metrics/job/mine', 'm 1\n', applied);
  if ((await letters()).length > 0) return;
  // A push becomes a dead letter if the key of its group has another type.
  await open.push('/metrics/job/poison', 'm 1\n', applied);
  const keys = (await redis.cli('--scan', '--pattern', 'pgw:{*}:group:*')).split('\n').filter((key) => key !== '');
  const values = await Promise.all(keys.map(async (key) => await redis.cli('HGET', key, 'labels')));
  const key = keys[values.findIndex((labels) => labels.includes('poison'))] ?? '';
  await redis.cli('DEL', key);
  await redis.cli('SET', key, 'not a group');
  await open.push('/metrics/job/poison', 'm 2\n', applied);
  await redis.cli('DEL', key);
  expect(await letters()).toHaveLength(1);
});

async function pageAt(url: string): Promise<Page> {
  const context = await browser.newContext();
  hold('a page', async () => await context.close());
  const page = await context.newPage();
  await page.goto(url);
  return page;
}

/** What a page can read, for each request; `''` if nothing. */
async function fetchAll(page: Page, target: string, requests: readonly (readonly [string, string])[]) {
  return await page.evaluate(
    async ([base, wanted]) => {
      const read: Record<string, string> = {};
      for (const [method, path] of wanted) {
        for (const mode of ['cors', 'no-cors'] as const) {
          const body = ['GET', 'HEAD'].includes(method) ? null : 'm 666\n';
          try {
            const answer = await fetch(base + path, {
              method,
              mode,
              body,
              credentials: mode === 'cors' ? 'omit' : 'include',
            });
            read[`${mode} ${method} ${path}`] = await answer.text();
          } catch {
            read[`${mode} ${method} ${path}`] = '';
          }
        }
      }
      return read;
    },
    [target, requests] as const,
  );
}

/** Sends it as a form in a frame, which needs no permission; with `sandbox` its origin is `null`. */
async function submitForm(page: Page, url: string, sandbox: boolean): Promise<void> {
  await page.evaluate(
    ([action, isSandboxed]) => {
      const document = (globalThis as unknown as { document: Document }).document;
      const frame = document.createElement('iframe');
      if (isSandboxed) frame.setAttribute('sandbox', 'allow-scripts allow-forms');
      frame.srcdoc =
        `<form method="post" enctype="text/plain" action="${action}"><input name="m 666 #" value=""></form>` +
        '<script>document.forms[0].submit()</script>';
      document.body.append(frame);
    },
    [url, sandbox] as const,
  );
}

/** Number of requests that a gateway has refused because of their origin. */
async function refusals(gateway: Gateway): Promise<number> {
  return sampleSum(await gateway.telemetry(), 'pushgateway_http_turned_away_total', { reason: 'cross_origin' });
}

interface Element {
  setAttribute(name: string, value: string): void;
  srcdoc: string;
}
interface Document {
  createElement(name: string): Element;
  readonly body: { append(element: Element): void };
}

/** Method and path of everything that changes something. */
async function changes(): Promise<(readonly [string, string])[]> {
  const [letter = ''] = await letters();
  return [
    ['DELETE', `${LETTERS}/${letter}`],
    ['POST', `${LETTERS}/${letter}/replay`],
    ['PUT', '/api/v1/admin/wipe'],
    ['POST', '/api/v1/admin/wipe'],
    ['DELETE', '/metrics/job/mine'],
    ['PUT', '/-/quit'],
    ['POST', '/-/quit'],
  ];
}

const READS = [
  '/',
  '/status',
  '/metrics',
  '/telemetry',
  '/-/ready',
  '/api/v1/groups',
  LETTERS,
  '/debug/profile/cpu?seconds=1',
];

async function expectUnchanged(gateway: Gateway, before: readonly string[]): Promise<void> {
  expect(await letters()).toEqual(before);
  const scrape = await gateway.scrape();
  expect(scrape).toContain('m{instance="",job="mine"} 1\n');
  expect(scrape).not.toContain('666');
  expect(gateway.process.exit).toBeUndefined();
}

/** The page's origin, and the gateway's name in the same browser. */
const PLACES = [
  ['http://localhost', 'http://127.0.0.1'],
  ['http://127.0.0.1', 'http://127.0.0.1'],
  ['http://evil.example', 'http://gateway.example'],
  ['http://gateway.example', 'http://gateway.example'],
] as const;

describe.each(PLACES)('a page of %s with another port, a gateway at %s', (page, host) => {
  test('can read only what the official gateway lets it read', async () => {
    const other = await pageAt(`${page}:${elsewhere}`);
    const target = `${host}:${strict.port}`;
    const reads = READS.map((path) => ['GET', path] as const);
    const read = await fetchAll(other, target, [
      ...reads,
      ['HEAD', '/metrics'],
      ['GET', '/api/v1/metrics'],
      ['GET', '/api/v1/status'],
    ]);
    expect(Object.keys(read).filter((request) => read[request] !== '')).toEqual([
      'cors GET /api/v1/metrics',
      'cors GET /api/v1/status',
    ]);
  });

  test('can change nothing', async () => {
    const before = await letters();
    const other = await pageAt(`${page}:${elsewhere}`);
    for (const gateway of [strict, open]) {
      const target = `${host}:${gateway.port}`;
      const [wanted, refused] = [await changes(), await refusals(gateway)];
      const read = await fetchAll(other, target, wanted);
      expect(Object.values(read).join('')).toBe('');
      // A browser sends these without a preflight request; there is none for `wipe`.
      const simple = wanted.filter(([method, path]) => method === 'POST' && !path.endsWith('wipe'));
      for (const [, path] of simple) {
        await submitForm(other, target + path, false);
        await submitForm(other, target + path, true);
      }
      await expect.poll(async () => await refusals(gateway)).toBe(refused + 4 * simple.length);
      await expectUnchanged(gateway, before);
    }
  });

  test('can push if --web.cross-origin-pushes says so, as to the official gateway', async () => {
    const [before, refused] = [await letters(), await refusals(strict)];
    const other = await pageAt(`${page}:${elsewhere}`);
    const pushes = (['PUT', 'POST'] as const).map((method) => [method, '/metrics/job/mine'] as const);
    await fetchAll(other, `${host}:${strict.port}`, [...pushes, ['POST', '/ingest']]);
    await submitForm(other, `${host}:${strict.port}/metrics/job/mine`, true);
    await expect.poll(async () => await refusals(strict)).toBe(refused + 5);
    await expectUnchanged(strict, before);
    await fetchAll(other, `${host}:${open.port}`, pushes);
    await expect.poll(async () => await open.scrape()).toContain('m{instance="",job="mine"} 666\n');
  });
});

test('a profile is not taken for a page of another origin', async () => {
  const other = await pageAt(`http://localhost:${elsewhere}`);
  const url = `http://127.0.0.1:${open.port}/debug/profile/cpu?seconds=1`;
  const refused = await refusals(open);
  await other.evaluate(`document.body.append(Object.assign(new Image(), { src: ${JSON.stringify(url)} }))`);
  await expect.poll(async () => await refusals(open)).toBe(refused + 1);
  // The same, typed by the user.
  const own = await pageAt(open.url);
  expect(await own.evaluate(`fetch('/debug/profile/cpu?seconds=1').then(({ status }) => status)`)).toBe(200);
});

test('a foreign name that resolves to the gateway can read nothing, and the right name everything', async () => {
  const rebound = await pageAt(`http://rebound.example:${strict.port}/`);
  expect(await rebound.evaluate('document.body.innerText')).toContain('cannot answer for this host');
  const before = await letters();
  const read = await fetchAll(rebound, '', [...READS.map((path) => ['GET', path] as const), ...(await changes())]);
  const texts = Object.entries(read)
    .filter(([request]) => request.startsWith('cors'))
    .map(([, text]) => text);
  expect([...new Set(texts)]).toEqual([
    'cannot answer for this host: expected a name of --web.allowed-hosts, or an address\n',
  ]);
  await expectUnchanged(strict, before);
  const own = await pageAt(`http://gateway.example:${strict.port}/`);
  expect(await own.evaluate('document.body.innerText')).toContain('job="mine"');
});

test.each(['http://127.0.0.1', 'http://localhost', 'http://gateway.example'])(
  'the page of the gateway at %s can delete groups and everything',
  async (host) => {
    for (const gateway of [open, strict]) {
      await gateway.push('/metrics/job/mine', 'm 1\n', applied);
      await gateway.push('/metrics/job/other', 'other 1\n', applied);
      const own = await pageAt(`${host}:${gateway.port}`);
      own.on('dialog', (dialog) => void dialog.accept());
      await own.getByRole('listitem').filter({ hasText: 'mine' }).getByRole('button', { name: 'Delete' }).click();
      await own.getByRole('status').waitFor();
      expect(await own.getByRole('status').innerText()).toBe('Deleted the group {job="mine"}.');
      await own.getByRole('link', { name: 'Status' }).click();
      await own.getByRole('button', { name: 'Delete all groups' }).click();
      await own.getByText('Nothing has been pushed yet').waitFor();
    }
  },
);
