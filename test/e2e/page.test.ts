import { chromium, type Browser, type Dialog, type Page } from 'playwright-core';
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { startGateway, type Gateway } from '../support/servers/gateway.ts';
import { fileTag } from '../support/process/process-tags.ts';
import { startRedis } from '../support/redis/server.ts';
import { applied } from '../support/http/request.ts';
import { hold } from '../support/process/resources.ts';
import { findTool, missing } from '../support/process/tools.ts';

// The page in a real browser.

const executablePath = findTool('chromium');
const QUIET = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

let gateway: Gateway;
let browser: Browser;
let page: Page;
/** Faults of the page: scripts that failed or were forbidden, missing files, unexpected dialogs. */
let complaints: string[];
let onDialog: ((dialog: Dialog) => Promise<void>) | undefined;

beforeAll(async () => {
  if (executablePath === undefined) return;
  gateway = await startGateway({
    redis: await startRedis(),
    args: ['--redis.expiration=1h', '--web.enable-admin-api'],
  });
  const env = { ...process.env, TEST_TAG: fileTag } as Record<string, string>;
  const started = await chromium.launch({ executablePath, args: QUIET, env });
  hold('chromium', async () => await started.close());
  browser = started;
});

beforeEach(async ({ skip }) => {
  skip(...missing('chromium'));
  await gateway.request('/api/v1/admin/wipe', { method: 'PUT', ...applied });
  complaints = [];
  onDialog = undefined;
  page = await open();
});

afterEach(async () => {
  if (executablePath === undefined) return;
  await page.context().close();
  expect(complaints).toEqual([]);
});

async function open(options: Parameters<Browser['newContext']>[0] = {}): Promise<Page> {
  const context = await browser.newContext(options);
  const opened = await context.newPage();
  opened.on('console', (message) => {
    if (message.type() !== 'log') complaints.push(`${message.type()}: ${message.text()}`);
  });
  opened.on('pageerror', (error) => complaints.push(String(error)));
  opened.on('dialog', (dialog) => {
    if (onDialog === undefined) complaints.push(`dialog: ${dialog.message()}`);
    void (onDialog?.(dialog) ?? dialog.dismiss());
  });
  await opened.addInitScript({
    content: `addEventListener('securitypolicyviolation', (event) => {
      console.error('forbidden: ' + event.violatedDirective + ' ' + event.blockedURI);
    });`,
  });
  return opened;
}

const b64 = (text: string): string => Buffer.from(text).toString('base64url');
const items = (): ReturnType<Page['locator']> => page.locator('.groups > li');

async function pushJobs(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await gateway.push(`/metrics/job/job-${String(i).padStart(3, '0')}`, 'm 1\n');
  await expect
    .poll(async () => (await gateway.scrape()).split('\n').filter((line) => line.startsWith('m{')).length)
    .toBe(count);
}

test('search', async () => {
  await gateway.push('/metrics/job/backup/instance/db-1', 'm 1\n', applied);
  await gateway.push('/metrics/job/backup/instance/db-2', 'm 1\n', applied);
  await gateway.push('/metrics/job/ci', 'm 1\n', applied);
  await gateway.push('/metrics/job/ci', 'm 1\nm 2\n', applied);
  await page.goto(gateway.url);
  await items().nth(2).waitFor();
  const search = async (text: string): Promise<void> => {
    await page.getByLabel('Search groups by label').fill(text);
    await page.keyboard.press('Enter');
    await page.waitForURL((url) => url.searchParams.get('q') === text);
  };
  await search('DB-');
  expect(await items().count()).toBe(2);
  await search('{job="backup", instance=~".*2"}');
  expect(await items().allInnerTexts()).toEqual([expect.stringContaining('instance="db-2"')]);
  await search('{job=backup}');
  expect(await page.locator('#fault').innerText()).toContain('expected a value in quotes at character 6');
  complaints = complaints.filter((one) => !one.includes('400 (Bad Request)'));

  await page.goto(gateway.url);
  await page.getByLabel('failed only').check();
  await page.getByRole('button', { name: 'Search' }).click();
  await expect.poll(() => items().count()).toBe(1);
  expect(await items().innerText()).toMatch(/job="ci"[^]*Last push failed/);
});

test('pages', async () => {
  await pushJobs(120);
  await page.goto(gateway.url);
  expect(await items().count()).toBe(50);
  await page.getByRole('link', { name: 'Last' }).first().click();
  await page.getByText('Page 3 of 3').first().waitFor();
  expect(await items().count()).toBe(20);
  await page.getByRole('link', { name: 'Previous' }).first().click();
  await page.getByText('Page 2 of 3').first().waitFor();
  expect(await items().first().innerText()).toContain('job="job-050"');
});

test('open a group, and its families', async () => {
  const help = '# HELP took_seconds How long it took.\n# TYPE took_seconds gauge\n';
  const many = Array.from({ length: 100 }, (_, i) => `took_seconds{step="${i}"} ${i}\n`).join('');
  await gateway.push('/metrics/job/j', `${help}${many}`, applied);
  await page.goto(gateway.url);
  await page.getByRole('link', { name: 'job="j"' }).click();
  await page.getByRole('heading', { name: 'job="j"' }).waitFor();
  const row = page.getByRole('row', { name: 'took_seconds{step="42"} 42' });
  expect(await row.isVisible()).toBe(false);
  await page.locator('summary').focus();
  await page.keyboard.press('Enter');
  await row.waitFor();
  expect(await page.getByText('How long it took.').isVisible()).toBe(true);
  await page.getByRole('link', { name: 'All groups' }).click();
  await items().waitFor();
});

test('delete a group from the list, after a confirmation', async () => {
  await pushJobs(3);
  await page.goto(gateway.url);
  const second = items().nth(1).getByRole('button', { name: 'Delete' });
  const asked: string[] = [];
  onDialog = async (dialog) => {
    asked.push(dialog.message());
    await (asked.length === 1 ? dialog.dismiss() : dialog.accept());
  };
  await second.click();
  await expect.poll(() => asked).toEqual(['Delete the group {job="job-001"}? This cannot be undone.']);
  expect(await items().count()).toBe(3);
  await second.click();
  await page.getByRole('status').waitFor();
  expect(await page.getByRole('status').innerText()).toBe('Deleted the group {job="job-001"}.');
  expect(await items().allInnerTexts()).toEqual([expect.stringContaining('000'), expect.stringContaining('002')]);
  expect(await page.evaluate<string>('document.activeElement.textContent')).toContain('job="job-002"');
  expect(await gateway.scrape()).not.toContain('job-001');
});

test('delete a group on its own page, then all groups', async () => {
  await pushJobs(2);
  onDialog = async (dialog) => await dialog.accept();
  await page.goto(gateway.url);
  await page.getByRole('link', { name: 'job="job-000"' }).click();
  await page.getByRole('button', { name: 'Delete' }).click();
  await page.getByRole('heading', { name: 'Groups' }).waitFor();
  expect(await items().count()).toBe(1);
  await page.getByRole('link', { name: 'Status' }).click();
  await page.getByRole('button', { name: 'Delete all groups' }).click();
  await page.getByText('Nothing has been pushed yet').waitFor();
});

test('a failed delete is reported and can be repeated', async () => {
  await pushJobs(1);
  onDialog = async (dialog) => await dialog.accept();
  await page.goto(gateway.url);
  await page.route('**/metrics/job/**', async (route) => await route.fulfill({ status: 503, body: 'Redis is away' }));
  const button = page.getByRole('button', { name: 'Delete' });
  await button.click();
  await page.getByRole('status').waitFor();
  expect(await page.getByRole('status').innerText()).toBe('Cannot delete the group {job="job-000"}: 503 Redis is away');
  expect(await button.isEnabled()).toBe(true);
  complaints = complaints.filter((one) => !one.includes('503 (Service Unavailable)'));
});

test('hostile labels are shown as text', async () => {
  const nasty = [
    '<script>alert(1)</script>',
    '"><img src=x onerror=alert(2)>',
    `' onmouseover='alert(3)`,
    '</title></style><svg onload=alert(4)>',
    'abc\u202egnp.exe',
    '\u200fעברית',
    'javascript:alert(5)',
    '../../api/v1/admin/wipe',
  ];
  for (const text of nasty) {
    const quoted = text.replaceAll('"', '\\"');
    const body = `# HELP m ${text}\n# TYPE m gauge\nm{own="${quoted}"} 1\n`;
    const { status } = await gateway.push(`/metrics/job@base64/${b64(text)}/l@base64/${b64(text)}`, body, applied);
    expect(status).toBe(200);
  }
  await page.goto(gateway.url);
  expect(await items().count()).toBe(nasty.length);
  expect((await items().allInnerTexts()).join('\n')).toContain('job="<script>alert(1)</script>"');
  expect((await items().allInnerTexts()).join('\n')).toContain(String.raw`job="abc\u202egnp.exe"`);
  await page.goto(`${gateway.url}/?q=${encodeURIComponent('"><script>alert(6)</script>')}`);
  await page.goto(gateway.url);
  for (let i = 0; i < nasty.length; i++) {
    await items().nth(i).getByRole('link').hover();
    await items().nth(i).getByRole('link').click();
    await page.getByRole('row').nth(1).waitFor();
    await page.goBack();
  }
  // Each button deletes its own group and no other.
  onDialog = async (dialog) => await dialog.accept();
  for (let left = nasty.length - 1; left >= 0; left--) {
    await items().first().getByRole('button').click();
    await expect.poll(() => items().count()).toBe(left);
    const scrape = await gateway.scrape();
    expect(scrape.split('\n').filter((line) => line.startsWith('m{'))).toHaveLength(left);
  }
});

test('works without JavaScript, except for deleting', async () => {
  await pushJobs(60);
  await page.context().close();
  page = await open({ javaScriptEnabled: false });
  await page.goto(gateway.url);
  expect(await page.getByRole('button', { name: 'Delete' }).count()).toBe(0);
  await page.getByRole('link', { name: 'Next' }).first().click();
  await page.getByLabel('Search groups by label').fill('job-059');
  await page.getByRole('button', { name: 'Search' }).click();
  await page.getByRole('link', { name: 'job="job-059"' }).click();
  expect(await page.getByRole('row').nth(1).innerText()).toMatch(/^m\s+1$/);
});

test('fits a phone, in light and dark', async () => {
  await gateway.push(`/metrics/job/j/long/${'x'.repeat(300)}`, `m{l="${'y'.repeat(300)}"} 1\n`, applied);
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.context().close();
    page = await open({ viewport: { width: 360, height: 740 }, colorScheme });
    for (const path of ['/', '/status']) {
      await page.goto(gateway.url + path);
      expect(await page.evaluate<number>('document.documentElement.scrollWidth'), path).toBeLessThanOrEqual(360);
    }
    await page.goto(gateway.url);
    const background = await page.evaluate<string>('getComputedStyle(document.body).backgroundColor');
    const [, red = ''] = /rgb\((\d+)/.exec(background) ?? [];
    if (colorScheme === 'light') expect(Number(red)).toBeGreaterThan(200);
    else expect(Number(red)).toBeLessThan(60);
    await items().getByRole('link').click();
    await page.getByRole('row').nth(1).waitFor();
    expect(await page.evaluate<number>('document.documentElement.scrollWidth')).toBeLessThanOrEqual(360);
  }
});

test('can be used with the keyboard alone', async () => {
  await pushJobs(1);
  await page.goto(gateway.url);
  const reached: string[] = [];
  for (let i = 0; i < 11; i++) {
    await page.keyboard.press('Tab');
    reached.push(
      await page.evaluate<string>(`document.activeElement.textContent.trim() || document.activeElement.name`),
    );
  }
  expect(reached).toEqual([
    'Skip to content',
    'Pushgateway',
    'Groups',
    'Status',
    'Metrics',
    'Telemetry',
    'q',
    'failed',
    'Search',
    'job="job-000"',
    'Delete',
  ]);
});
