import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { startGateway, type Gateway } from '../support/servers/gateway.ts';
import { fileTag, taggedProcesses, processTree } from '../support/process/process-tags.ts';
import { sampleValue } from '../support/metrics-text.ts';
import { freePort } from '../support/process/ports.ts';
import { TestProcess } from '../support/process/process.ts';
import { projectFolder } from '../support/project.ts';
import { startRedis } from '../support/redis/server.ts';
import { applied } from '../support/http/request.ts';
import { run, runOrThrow, type Outcome } from '../support/process/run.ts';
import { temporaryFolder } from '../support/process/temporary.ts';

// The command line: its output, its exit status, and what it leaves behind.

const command = join(projectFolder, 'dist/services/gateway/main.js');

async function pushgateway(...args: string[]): Promise<Outcome & { readonly stderr: string }> {
  const outcome = await run(process.execPath, [command, ...args], { env: { ...process.env, COLUMNS: '100' } });
  return { ...outcome, stderr: outcome.output.replace(outcome.stdout, '') };
}

describe('help and version', () => {
  test.for(['-h', '--help'])('%s', async (flag) => {
    const { code, stdout, stderr } = await pushgateway(flag);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^usage: pushgateway \[<flags>\] \[<role>\]\n/);
    for (const known of [
      '-p, --port=9753',
      '--redis.endpoint=":6379"',
      '--redis.expiration=5m',
      '[all, ingest, worker, reader]',
    ])
      expect(stdout).toContain(known);
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(100);
  });

  test('--version', async () => {
    const { version }: { version: string } = JSON.parse(readFileSync(join(projectFolder, 'package.json'), 'utf8'));
    const { code, stdout, stderr } = await pushgateway('--version');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout.split('\n')[0]).toContain(version);
  });
});

describe('invalid settings: status 2, one line each on standard error', () => {
  test.for([
    [['--redis.enpoint=x'], ['unknown flag --redis.enpoint: did you mean --redis.endpoint?']],
    [['--redis.endpoint=not an address'], ['redis.endpoint "not an address"']],
    [['--redis.endpoint=localhost:99999'], ['redis.endpoint "localhost:99999"']],
    [['--redis.endpoint=localhost:0'], ['redis.endpoint "localhost:0"']],
    [['--redis.endpoint=a:1,,b:2'], ['redis.endpoint "a:1,,b:2"']],
    [['--redis.endpoint=http://localhost'], ['redis.endpoint']],
    [
      ['--port=none', '--redis.expiration=5 minutes', 'readr'],
      ['port "none"', 'redis.expiration "5 minutes"', 'readr'],
    ],
    [['--config.file=/nowhere.yml'], ['/nowhere.yml']],
    [['--redis.embedded', '--redis.endpoint=:6379'], ['redis.embedded']],
  ] as const)('%j', async ([args, reasons]) => {
    const { code, stdout, stderr } = await pushgateway(...args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    const lines = stderr.trimEnd().split('\n');
    expect(lines, stderr).toHaveLength(reasons.length);
    for (const reason of reasons) expect(lines.filter((line) => line.includes(reason))).toHaveLength(1);
  });

  test('an invalid key in the file, with its line', async () => {
    const file = join(temporaryFolder(), 'pushgw.yml');
    writeFileSync(file, 'port: 9753\nredis:\n  endpont: ":6379"\n');
    const { code, stderr } = await pushgateway(`--config.file=${file}`);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^[^\n]*endpont[^\n]*line 3[^\n]*\n$/);
  });
});

/** Runs a gateway that cannot start until it ends: status 1, and one log line at level error. */
async function failure(gateway: Gateway): Promise<string> {
  expect(await gateway.process.waitForExit(20_000)).toEqual({ code: 1, signal: null });
  const errors = gateway.process.log().match(/^.*level=error.*$/gm) ?? [];
  expect(errors, gateway.process.log()).toHaveLength(1);
  return errors[0] ?? '';
}

describe('a failed start: status 1, one line at level error', () => {
  test('the port is in use', async () => {
    const port = await freePort();
    const other = createServer();
    await new Promise<void>((resolve) => void other.listen(port, resolve));
    try {
      const redis = { endpoint: '127.0.0.1:1' };
      expect(await failure(await startGateway({ redis, port, waitUntilReady: false }))).toContain('EADDRINUSE');
    } finally {
      await new Promise((resolve) => void other.close(resolve));
    }
  });

  test.for(['all', 'reader'] as const)('%s: the state in Redis has another number of shards', async (role) => {
    const redis = await startRedis();
    const gateway = await startGateway({ redis, args: ['--redis.shards=4'] });
    await gateway.push('/metrics/job/j', 'm 1\n', applied);
    const line = await failure(await startGateway({ redis, role, args: ['--redis.shards=8'], waitUntilReady: false }));
    expect(line).toMatch(/shards=4.*shards=8.*--redis\.shards/);
    // It has left no trace, and the first gateway still works.
    expect(await redis.cli('KEYS', 'pgw:{7}:*')).toBe('');
    expect(sampleValue(await gateway.scrape(), 'm')).toBe(1);
    await startGateway({ redis, role, args: ['--redis.shards=8', '--redis.prefix=other'] });
  });

  test('another gateway uses the data directory', async () => {
    const first = await startGateway();
    await first.push('/metrics/job/j', 'm 1\n', applied);
    const second = await startGateway({ dataFolder: first.dataFolder, waitUntilReady: false });
    expect(await failure(second)).toMatch(/cannot use data directory .*another gateway is using it/);
    expect(await first.push('/metrics/job/j', 'm 2\n', applied)).toMatchObject({ status: 200 });
    expect(sampleValue(await first.scrape(), 'm')).toBe(2);
  });

  test('redis-server is not installed', async () => {
    const gateway = await startGateway({ env: { PATH: '/nonexistent' }, waitUntilReady: false });
    expect(await gateway.process.waitForExit(20_000)).toEqual({ code: 1, signal: null });
    expect(gateway.process.log()).toContain('redis-server is not installed (Debian: apt-get install redis-server');
  });
});

const redisOf = (gateway: Gateway) => processTree(gateway.pid).slice(1);
/** A zombie does not count. */
const lives = (pid: number) => taggedProcesses(fileTag).some((one) => one.pid === pid);

describe('with an embedded Redis', () => {
  test('pushed groups survive a restart, and no process is left behind', async () => {
    const gateway = await startGateway({ port: await freePort() });
    await gateway.push('/metrics/job/j', 'm 1\n', applied);
    const [redis = 0] = redisOf(gateway);
    expect(await gateway.stop()).toEqual({ code: 0, signal: null });
    expect(lives(redis)).toBe(false);
    expect(existsSync(join(gateway.dataFolder, 'redis.sock'))).toBe(false);

    await gateway.restart();
    expect(sampleValue(await gateway.scrape(), 'm')).toBe(1);
  });

  test('a Redis that a killed gateway left behind is stopped, and no acknowledged push is lost', async () => {
    const gateway = await startGateway({ port: await freePort() });
    await gateway.push('/metrics/job/j', 'm 1\n', applied);
    const [orphan = 0] = redisOf(gateway);
    await gateway.push('/metrics/job/j', 'm 2\n');
    await gateway.kill();
    expect(lives(orphan)).toBe(true);

    await gateway.restart();
    expect(lives(orphan)).toBe(false);
    expect(redisOf(gateway)).toHaveLength(1);
    await eventually(async () => sampleValue(await gateway.scrape(), 'm') === 2);
  });

  test('a Redis that dies is restarted', async () => {
    const gateway = await startGateway();
    await gateway.push('/metrics/job/j', 'm 1\n', applied);
    const [redis = 0] = redisOf(gateway);
    process.kill(redis, 'SIGKILL');
    const answer = await gateway.push('/metrics/job/j', 'm 2\n', { headers: { prefer: 'wait=30' } });
    expect(answer).toMatchObject({ status: 200 });
    expect(sampleValue(await gateway.scrape(), 'm')).toBe(2);
    expect(redisOf(gateway)).not.toContain(redis);
  });

  test('a second SIGINT ends a draining gateway at once', async () => {
    const redis = await startRedis();
    const gateway = await startGateway({ redis });
    await redis.kill();
    // Keeps it draining.
    const held = gateway.push('/metrics/job/j', 'm 1\n').catch(() => undefined);
    await eventually(async () => (sampleValue(await gateway.telemetry(), 'pushgateway_inflight_bytes') ?? 0) > 0);
    gateway.process.signal('SIGINT');
    await gateway.process.waitForLine(/draining/);
    gateway.process.signal('SIGINT');
    expect(await gateway.process.waitForExit(2_000)).toEqual({ code: null, signal: 'SIGINT' });
    await held;
  });
});

test('./pushgateway runs from any folder', async () => {
  const wrapper = join(projectFolder, 'pushgateway');
  if (!existsSync(wrapper)) await runOrThrow('make', ['-s', 'pushgateway'], { cwd: projectFolder });
  const one = await TestProcess.start(wrapper, ['--version'], { cwd: temporaryFolder() });
  expect(await one.waitForExit()).toEqual({ code: 0, signal: null });
});
