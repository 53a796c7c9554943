import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { eventually } from '../support/eventually.ts';
import { startGateway, type Gateway, type Role } from '../support/servers/gateway.ts';
import { sampleValue } from '../support/metrics-text.ts';
import { startNginx } from '../support/servers/nginx.ts';
import { freePort } from '../support/process/ports.ts';
import { TestProcess } from '../support/process/process.ts';
import { projectFolder } from '../support/project.ts';
import { request } from '../support/http/request.ts';
import { run, runOrThrow } from '../support/process/run.ts';
import { temporaryFolder } from '../support/process/temporary.ts';
import { missing, requireTool } from '../support/process/tools.ts';

// The processes of docker-compose.yml with its settings, secrets, Redis configuration and load balancers, on loopback.

interface Compose {
  readonly 'x-gateway': { readonly environment: Readonly<Record<string, string>> };
  readonly services: Readonly<Record<string, { readonly healthcheck: { readonly test: readonly string[] } }>>;
}

const compose: Compose = parse(readFileSync(join(projectFolder, 'docker-compose.yml'), 'utf8'), { merge: true });
const secrets = join(temporaryFolder(), 'secrets');

/** As in a container, except for the folders. */
function here(text: string, folder: string): string {
  return text.replaceAll('/run/secrets', secrets).replaceAll(/^dir .*$/gm, `dir ${folder}`);
}

async function makeSecrets(): Promise<string> {
  await runOrThrow(join(projectFolder, 'deploy/make-secrets'), [secrets]);
  return readFileSync(join(secrets, 'redis-password'), 'utf8');
}

async function startShippedRedis(): Promise<{ endpoint: string; port: number; process: TestProcess }> {
  const folder = join(temporaryFolder(), 'data');
  mkdirSync(folder);
  const file = join(folder, 'redis.conf');
  writeFileSync(file, here(readFileSync(join(projectFolder, 'deploy/redis/redis.conf'), 'utf8'), folder));
  const port = await freePort();
  const args = [file, '--port', String(port), '--bind', '127.0.0.1 127.0.0.2'];
  const redis = await TestProcess.start(requireTool('redis-server'), args, { cwd: folder });
  await redis.waitForLine(/Ready to accept connections/);
  return { endpoint: `127.0.0.1:${port}`, port, process: redis };
}

let password: string;
let redis: Awaited<ReturnType<typeof startShippedRedis>>;

const cli = async (auth: { user?: string; password?: string; host?: string }, ...command: string[]) => {
  const user = auth.user === undefined ? [] : ['--user', auth.user];
  const args = ['-h', auth.host ?? '127.0.0.1', '-p', String(redis.port), ...user, '-e', ...command];
  const env = { ...process.env, ...(auth.password === undefined ? {} : { REDISCLI_AUTH: auth.password }) };
  return run(requireTool('redis-cli'), args, { env });
};

beforeAll(async () => {
  password = await makeSecrets();
  redis = await startShippedRedis();
});

test('make-secrets: a password that is kept, its hash, and a folder that only the owner can read', async () => {
  expect(password).toMatch(/^[\da-f]{64}$/);
  const acl = readFileSync(join(secrets, 'redis.acl'), 'utf8');
  expect(acl).not.toContain(password);
  expect(await makeSecrets()).toBe(password);
  expect(readFileSync(join(secrets, 'redis.acl'), 'utf8')).toBe(acl);
  expect(statSync(secrets).mode & 0o777).toBe(0o700);
});

test('the user of Redis has the permissions of docs/redis.md, except to change the configuration', () => {
  const documented = /^ACL SETUSER gateway on >PASSWORD (.*)$/m.exec(
    readFileSync(join(projectFolder, 'docs/redis.md'), 'utf8'),
  )?.[1];
  const shipped = /^user gateway on #[\da-f]{64} (.*)$/m.exec(readFileSync(join(secrets, 'redis.acl'), 'utf8'))?.[1];
  expect(documented).toBe(`${shipped} +config|set`);
});

test('Redis accepts no other user, and the user of the gateway has only the permissions that it needs', async () => {
  const gateway = { user: 'gateway', password };
  expect(await cli(gateway, 'PING')).toMatchObject({ code: 0, stdout: 'PONG\n' });
  for (const auth of [
    {},
    { host: '127.0.0.2' },
    { password },
    { user: 'gateway', password: 'wrong' },
    { user: 'nobody' },
  ])
    expect((await cli(auth, 'PING')).output, JSON.stringify(auth)).toMatch(/NOAUTH|WRONGPASS|DENIED/);
  for (const command of ['GET other', 'FLUSHALL', 'KEYS *', 'CONFIG SET dir /tmp', 'ACL LIST', 'SHUTDOWN'])
    expect((await cli(gateway, ...command.split(' '))).output, command).toContain('NOPERM');
  for (const [name, value] of [
    ['maxmemory', String(1024 ** 3)],
    ['maxmemory-policy', 'noeviction'],
    ['appendonly', 'yes'],
    ['notify-keyspace-events', 'tK'],
  ] as const)
    expect((await cli(gateway, 'CONFIG', 'GET', name)).stdout.split('\n')[1]).toBe(value);
});

test('the health check of Redis passes with the password, and not without', async () => {
  const [, ...words] = compose.services['redis']?.healthcheck.test ?? [];
  const [shell = '', ...args] = words.map((word) => here(word, '').replaceAll('$$', '$'));
  const local = args.map((word) => word.replace('redis-cli', `redis-cli -p ${redis.port}`));
  expect(await run(shell, local)).toMatchObject({ code: 0, stdout: 'PONG\n' });
  expect(await run(shell, [...local.slice(0, -1), local.at(-1)?.replace(/\$\(.*\)/, 'wrong') ?? ''])).toMatchObject({
    code: 1,
  });
});

test('pushes through the load balancer are scraped through the other one, with nothing refused by Redis', async ({
  skip,
}) => {
  skip(...missing('nginx'));
  const { environment } = compose['x-gateway'];
  const env = {
    ...Object.fromEntries(Object.entries(environment).map(([name, value]) => [name, here(value, '')])),
    PUSHGATEWAY_REDIS_ENDPOINT: undefined, // a flag here
    PUSHGATEWAY_WEB_TRUSTED_PROXIES: '127.0.0.1',
  };
  const start = async (role: Role): Promise<Gateway> => startGateway({ redis, role, env });
  const [one, two, worker, readerOne, readerTwo] = await Promise.all([
    start('ingest'),
    start('ingest'),
    start('worker'),
    start('reader'),
    start('reader'),
  ]);
  const balance = async (role: 'ingest' | 'reader', first: Gateway, second: Gateway) =>
    startNginx(join(projectFolder, `deploy/nginx/${role}.conf`), {
      [`${role}-1:9753`]: `127.0.0.1:${first.port}`,
      [`${role}-2:9753`]: `127.0.0.1:${second.port}`,
    });
  const [push, scrape] = await Promise.all([balance('ingest', one, two), balance('reader', readerOne, readerTwo)]);

  const large = Array.from({ length: 20_000 }, (_, i) => `large{i="${i}"} ${i}\n`).join('');
  for (let i = 0; i < 20; i++) {
    const body = i === 7 ? large : `small ${i}\n`;
    const options = { method: 'PUT', body, headers: { prefer: 'wait=10' } };
    const answer = await request(push.url, `/metrics/job/compose/n/${i}`, options);
    expect(answer, answer.text).toMatchObject({ status: 200 });
  }
  expect(await request(push.url, '/metrics/job/compose/n/3', { method: 'DELETE' })).toMatchObject({ status: 202 });
  await eventually(async () => {
    const { text } = await request(scrape.url, '/metrics');
    expect(sampleValue(text, 'small', { n: '19' })).toBe(19);
    expect(sampleValue(text, 'small', { n: '3' })).toBeUndefined();
    expect(sampleValue(text, 'large', { i: '19999' })).toBe(19_999);
  });

  // Only a superuser of Redis could read ACL LOG, and there is none. The gateway logs denied commands.
  for (const gateway of [one, two, worker, readerOne, readerTwo]) {
    expect(await gateway.stop()).toEqual({ code: 0, signal: null });
    expect(gateway.process.log()).not.toMatch(/level=(warn|error)/);
    expect(gateway.process.log()).not.toContain(password);
  }
});
