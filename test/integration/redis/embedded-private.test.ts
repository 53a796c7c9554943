import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { startGateway, type Gateway, type GatewayOptions } from '../../support/servers/gateway.ts';
import { sampleValue } from '../../support/metrics-text.ts';
import { freePort } from '../../support/process/ports.ts';
import { TestProcess } from '../../support/process/process.ts';
import { redisCli } from '../../support/redis/cli.ts';
import { applied } from '../../support/http/request.ts';
import { hold } from '../../support/process/resources.ts';
import { run } from '../../support/process/run.ts';
import { temporaryFolder } from '../../support/process/temporary.ts';
import { findTool } from '../../support/process/tools.ts';

// Another user of the machine can neither read the data of the embedded Redis nor impersonate it.

const NOBODY = 65534;
const AS_NOBODY = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'];
const needsAnotherUser: [boolean, string] = [
  process.getuid?.() !== 0 || findTool('setpriv') === undefined,
  'needs root and setpriv, to act as another user',
];

/** Too long for the path of a socket. */
const LONG = 'long-'.repeat(20);

/** A folder whose path is long. */
function longFolder(): string {
  const folder = join(temporaryFolder(), LONG);
  fs.mkdirSync(folder, { mode: 0o700 });
  return folder;
}

async function asNobody(command: string, ...args: string[]): Promise<string> {
  return (await run('setpriv', [...AS_NOBODY, command, ...args], { cwd: '/' })).output;
}

/** A server that answers like Redis and records its clients. */
const IMPOSTOR = `
  const [path] = process.argv.slice(-1);
  require('node:net').createServer((socket) => {
    console.log('connected');
    socket.on('error', () => {});
    socket.on('data', () => socket.write('+PONG\\r\\n'));
  }).listen(path, () => { require('node:fs').chmodSync(path, 0o777); console.log('listening'); });
`;

async function startImpostor(path: string): Promise<TestProcess> {
  const command = [process.execPath, '-e', IMPOSTOR, path];
  const impostor = await TestProcess.start('setpriv', [...AS_NOBODY, ...command], { cwd: '/' });
  await impostor.waitForLine(/listening/);
  hold(path, async () => fs.rmSync(path, { force: true }));
  return impostor;
}

/** The socket, by a short path that every user can follow up to the data folder. */
function socketOf({ dataFolder }: Gateway): string {
  const folder = temporaryFolder();
  fs.chmodSync(folder, 0o755);
  fs.symlinkSync(dataFolder, join(folder, 'data'));
  return join(folder, 'data', 'redis.sock');
}

/** Modes of the files, except for the socket. */
function modesIn(folder: string): Record<string, string> {
  const names = fs.readdirSync(folder, { recursive: true, encoding: 'utf8' });
  const modeOf = (path: string) => (fs.lstatSync(path).mode & 0o7777).toString(8);
  const paths = names.filter((name) => !fs.lstatSync(join(folder, name)).isSymbolicLink());
  return { '.': modeOf(folder), ...Object.fromEntries(paths.map((name) => [name, modeOf(join(folder, name))])) };
}

function expectPrivate(folder: string): void {
  for (const [name, mode] of Object.entries(modesIn(folder))) {
    expect(`${name} ${mode}`).toBe(`${name} ${fs.lstatSync(join(folder, name)).isDirectory() ? '700' : '600'}`);
  }
}

async function expectWorks(gateway: Gateway): Promise<void> {
  expect(await gateway.push('/metrics/job/j', 'm 1\n', applied)).toMatchObject({ status: 200 });
  expect(sampleValue(await gateway.scrape(), 'm')).toBe(1);
}

describe.for(['short', 'long'] as const)('with a %s path', (kind) => {
  const start = async (options: GatewayOptions = {}) =>
    await startGateway({ dataFolder: kind === 'short' ? temporaryFolder() : longFolder(), ...options });

  test('another user can neither read the files nor connect', async ({ skip }) => {
    skip(...needsAnotherUser);
    const gateway = await start();
    await expectWorks(gateway);
    const socket = socketOf(gateway);
    await redisCli(socket, ['BGREWRITEAOF']);
    await eventually(async () => /aof_rewrite_in_progress:0/.test(await redisCli(socket, ['INFO', 'persistence'])));
    expectPrivate(gateway.dataFolder);
    expect(await asNobody('ls', gateway.dataFolder)).toContain('Permission denied');
    expect(await asNobody('cat', join(gateway.dataFolder, 'redis.log'))).toContain('Permission denied');
    expect(await asNobody('redis-cli', '-s', socket, 'PING')).toContain('Permission denied');
    await gateway.stop();
    expect(fs.readdirSync(gateway.dataFolder)).not.toContain('redis.sock');
  });

  test('the Redis of a gateway that was killed is found and stopped', async () => {
    const gateway = await start({ port: await freePort() });
    await gateway.push('/metrics/job/j', 'm 1\n', applied);
    const pidOf = async () => /process_id:(\d+)/.exec(await redisCli(socketOf(gateway), ['INFO', 'server']))?.[1];
    const before = await pidOf();
    await gateway.kill();
    await gateway.restart();
    expect(gateway.process.log()).toContain('stopping the Redis that an earlier gateway left behind');
    expect(await pidOf()).not.toBe(before);
    expect(sampleValue(await gateway.scrape(), 'm')).toBe(1);
  });
});

test('a socket of another user at the path of version 0.2.0 is not used', async ({ skip }) => {
  skip(...needsAnotherUser);
  const dataFolder = longFolder();
  const name = createHash('sha1').update(dataFolder).digest('hex').slice(0, 16);
  const impostor = await startImpostor(join(tmpdir(), `pushgateway-${name}.sock`));
  await expectWorks(await startGateway({ dataFolder }));
  expect(impostor.log()).not.toContain('connected');
});

test('a link that another user has put into the data folder is not followed', async ({ skip }) => {
  skip(...needsAnotherUser);
  const folder = temporaryFolder();
  fs.chmodSync(folder, 0o777);
  const dataFolder = join(folder, 'data');
  const elsewhere = join(folder, 'pushgateway-abcdef');
  const precious = join(folder, 'precious');
  fs.writeFileSync(precious, '', { mode: 0o644 });
  await asNobody('mkdir', '-m', '777', dataFolder);
  await asNobody('mkdir', '-m', '700', elsewhere);
  await asNobody('ln', '-s', join(elsewhere, 'redis.sock'), join(dataFolder, 'redis.sock'));
  await asNobody('ln', '-s', precious, join(dataFolder, 'dump.rdb'));
  const impostor = await startImpostor(join(elsewhere, 'redis.sock'));
  const gateway = await startGateway({ dataFolder });
  await expectWorks(gateway);
  expect(impostor.log()).not.toContain('connected');
  expect(gateway.process.log()).toMatch(/level=warn msg="the data folder is not private" .*uid=65534/);
  expect(fs.lstatSync(join(dataFolder, 'redis.sock')).isSocket()).toBe(true);
  expect(fs.statSync(precious).mode & 0o777).toBe(0o644);
});

test('a folder that replaces the data folder is not used', async ({ skip }) => {
  skip(...needsAnotherUser);
  const folder = temporaryFolder();
  fs.chmodSync(folder, 0o777);
  const dataFolder = join(folder, 'data');
  fs.mkdirSync(dataFolder, { mode: 0o700 });
  const gateway = await startGateway({ dataFolder });
  await expectWorks(gateway);
  await asNobody('mv', dataFolder, join(folder, 'away'));
  await asNobody('mkdir', '-m', '777', dataFolder);
  const impostor = await startImpostor(join(dataFolder, 'redis.sock'));
  const pid = /process_id:(\d+)/.exec(await redisCli(join(folder, 'away', 'redis.sock'), ['INFO', 'server']))?.[1];
  process.kill(Number(pid), 'SIGKILL');
  await gateway.process.waitForLine(/the embedded Redis exited; restarting it/);
  await eventually(async () => (await gateway.push('/metrics/job/j', 'm 1\n', applied)).status === 200);
  await expectWorks(gateway);
  expect(impostor.log()).not.toContain('connected');
  expect(fs.readdirSync(dataFolder)).toEqual(['redis.sock']);
});

test('files that others could read are made private, and nothing else', async () => {
  const gateway = await startGateway({ port: await freePort() });
  await expectWorks(gateway);
  await gateway.stop();
  const { dataFolder } = gateway;
  fs.chmodSync(dataFolder, 0o755);
  for (const name of fs.readdirSync(dataFolder, { recursive: true, encoding: 'utf8' }))
    fs.chmodSync(join(dataFolder, name), name === 'appendonlydir' ? 0o777 : 0o664);
  await gateway.restart();
  expect(gateway.process.log()).toContain('msg="made files of the data folder private"');
  expectPrivate(dataFolder);
  await expectWorks(gateway);
  await gateway.stop();

  // A folder with other files, such as a home folder, keeps its mode.
  fs.writeFileSync(join(dataFolder, 'letter'), '');
  fs.chmodSync(join(dataFolder, 'letter'), 0o644);
  fs.chmodSync(join(dataFolder, 'redis.log'), 0o644);
  fs.chmodSync(dataFolder, 0o755);
  await gateway.restart();
  expect(gateway.process.log()).toMatch(/msg="the data folder is not private" .*mode=755 other=letter/);
  expect(modesIn(dataFolder)).toMatchObject({ '.': '755', letter: '644', 'redis.log': '600' });
  await expectWorks(gateway);
});

test('an answer does not count when the server that was started has ended', async () => {
  const bin = temporaryFolder();
  // Leaves a server on the socket and ends.
  const script = `#!/bin/sh
'${process.execPath}' -e "$IMPOSTOR" redis.sock >/dev/null 2>&1 &
echo $! >'${join(bin, 'pid')}'
while [ ! -S redis.sock ]; do sleep 0.01; done
exit 1
`;
  fs.writeFileSync(join(bin, 'redis-server'), script, { mode: 0o755 });
  hold('the server that is left', async () => {
    process.kill(Number(fs.readFileSync(join(bin, 'pid'), 'utf8')), 'SIGKILL');
  });
  const env = { PATH: `${bin}:${process.env['PATH']}`, IMPOSTOR };
  const gateway = await startGateway({ env, waitUntilReady: false });
  expect(await gateway.process.waitForExit(20_000)).toEqual({ code: 1, signal: null });
  expect(gateway.process.log()).toContain('the embedded Redis did not start');
});
