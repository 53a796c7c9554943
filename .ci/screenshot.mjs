// Takes docs/images/page.png: the page of a gateway with the groups below. Needs a build, redis-server and Chromium.
import { fork } from 'node:child_process';
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { chromium } from 'playwright-core';

const FILE = 'docs/images/page.png';
const WIDTH = 1200;
const HEIGHT = 600;
const MINUTE_MS = 60_000;

/** Pushes, oldest first, each with its age in minutes when the screenshot is taken. */
const PUSHES = [
  [
    187,
    '/metrics/job/db_backup/instance/pg-orders-1?ttl=26h',
    'backup_size_bytes 8.1e10\nbackup_duration_seconds 1841\n',
  ],
  [
    171,
    '/metrics/job/db_backup/instance/pg-users-1?ttl=26h',
    'backup_size_bytes 2.4e10\nbackup_duration_seconds 655\n',
  ],
  [42, '/metrics/job/model_training/model/ranking/run/nightly?ttl=7h', samples('training_loss', 'epoch', 24)],
  [35, '/metrics/job/etl_orders/region/eu-west-1/stage/extract?ttl=2h', samples('rows_total', 'table', 6)],
  [11, '/metrics/job/db_backup/instance/pg-users-1', 'backup_size_bytes 1\nbackup_size_bytes 2\n'],
  [9, '/metrics/job/ci/branch/main/pipeline/build?ttl=1h', samples('step_duration_seconds', 'step', 9)],
  [4, '/metrics/job/ci/branch/release-2.4/pipeline/e2e?ttl=1h', samples('step_duration_seconds', 'step', 14)],
  [2, '/ingest?ttl=10m', 'invocations_total{function="thumbnailer",region="eu-west-1"} 8412\n'],
  [1, '/metrics/job/k8s_cronjob/cronjob/log-rotation/namespace/prod?ttl=30m', 'last_run_duration_seconds 3.2\n'],
];

/** Makes the clock of the gateway slow by the milliseconds that it is sent, so that pushes have different ages. */
const CLOCK = `const now = Date.now; let slowMs = 0; Date.now = () => now() - slowMs; process.on('message', (ms) => (slowMs = ms));`;

const folder = mkdtempSync(join(tmpdir(), 'screenshot-'));
const port = await freePort();
const url = `http://localhost:${port}`;
const flags = [`--port=${port}`, '--redis.embedded', `--data.dir=${folder}`, '--log.level=error'];
const gateway = fork('dist/services/gateway/main.js', flags, {
  execArgv: ['--import', `data:text/javascript,${encodeURIComponent(CLOCK)}`],
  stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
});
try {
  await waitUntilReady();
  for (const [minutes, path, body] of PUSHES) {
    gateway.send(minutes * MINUTE_MS);
    await fetch(url + path, { method: 'POST', headers: { Prefer: 'wait=5' }, body });
  }
  gateway.send(0);
  // Until the change feed has seen the right time.
  await sleep(3_000);
  await takeScreenshot();
} finally {
  gateway.disconnect();
  gateway.kill('SIGTERM');
  await new Promise((resolve) => gateway.once('exit', resolve));
  rmSync(folder, { recursive: true });
}

async function takeScreenshot() {
  const browser = await chromium.launch({ executablePath: findInPath('chromium'), args: ['--no-sandbox'] });
  try {
    const page = await browser.newPage({ viewport: { width: WIDTH, height: HEIGHT }, colorScheme: 'light' });
    await page.goto(url);
    await page.screenshot({ path: FILE, fullPage: true });
  } finally {
    await browser.close();
  }
}

async function waitUntilReady() {
  while (gateway.exitCode === null) {
    const ready = await fetch(`${url}/-/ready`).catch(() => undefined);
    if (ready?.ok) return;
    await sleep(100);
  }
  throw new Error('cannot take the screenshot: the gateway ended');
}

function samples(name, label, count) {
  return Array.from({ length: count }, (_, i) => `${name}{${label}="${i}"} ${i + 1}\n`).join('');
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port: free } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return free;
}

function findInPath(program) {
  const found = (process.env.PATH ?? '').split(delimiter).map((entry) => join(entry, program));
  return found.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
