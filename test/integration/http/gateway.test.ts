/** The web configuration of a complete gateway, with curl as the client. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { createServer, type AddressInfo, type Server as ListeningServer } from 'node:net';
import { join } from 'node:path';
import { hashSync } from 'bcryptjs';
import { describe, expect, test } from 'vitest';
import { makeCertificate } from '../../support/http/certificates.ts';
import { eventually } from '../../support/eventually.ts';
import { startGateway, type Gateway, type GatewayOptions } from '../../support/servers/gateway.ts';
import { freePort } from '../../support/process/ports.ts';
import { kill } from '../../support/process/process.ts';
import { projectFolder } from '../../support/project.ts';
import { keepAlive, request } from '../../support/http/request.ts';
import { hold } from '../../support/process/resources.ts';
import { run } from '../../support/process/run.ts';
import { temporaryFolder } from '../../support/process/temporary.ts';
import { ask, basic } from '../../support/http/web-server.ts';

const authority = makeCertificate('authority', { ca: true });
const server = authority.issue('server');
const PASSWORD = 'sesame';

interface Secured {
  readonly gateway: Gateway;
  readonly folder: string;
  /** curl with the right authority: its status and body. */
  readonly curl: (path: string, ...args: string[]) => Promise<{ status: string; text: string }>;
}

async function startSecured(yaml: string, options: GatewayOptions = {}): Promise<Secured> {
  const folder = temporaryFolder();
  const files = { 'ca.crt': authority.cert, 'server.crt': server.cert, 'server.key': server.key, 'web.yml': yaml };
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  const gateway = await startGateway({
    ...options,
    args: [`--web.config.file=${join(folder, 'web.yml')}`, ...(options.args ?? [])],
    waitUntilReady: false,
  });
  await gateway.process.waitForLine(/msg="ready"/);
  const curl = async (path: string, ...args: string[]) => {
    const url = `https://localhost:${gateway.port}${path}`;
    const common = ['-sS', '--cacert', join(folder, 'ca.crt'), '-w', '\n%{http_code} HTTP/%{http_version}'];
    const { stdout, output } = await run('curl', [...common, ...args, url]);
    const [, text = '', status = output] = /^([^]*)\n(.*)$/.exec(stdout) ?? [];
    return { status, text };
  };
  return { gateway, folder, curl };
}

describe('TLS, HTTP/2, users, headers and a prefix', () => {
  const yaml = `
tls_server_config: { cert_file: server.crt, key_file: server.key }
http_server_config: { headers: { X-Frame-Options: deny } }
basic_auth_users: { alice: "${hashSync(PASSWORD, 10)}" }
`;
  const login = ['-u', `alice:${PASSWORD}`];

  test.each([
    ['--http1.1', 'HTTP/1.1'],
    ['--http2', 'HTTP/2'],
  ])('%s', async (protocol, version) => {
    const args = ['--web.route-prefix=/pg', '--push.max-body-bytes=1MiB', '--push.wait=5s'];
    const { curl, folder, gateway } = await startSecured(yaml, { args });
    const write = (name: string, content: string) => {
      writeFileSync(join(folder, name), content);
      return `@${join(folder, name)}`;
    };
    const small = write('small', 'a_metric 1\n');
    const large = write('large', Array.from({ length: 20_000 }, (_, index) => `m{i="${index}"} ${index}\n`).join(''));
    const huge = write('huge', 'x'.repeat(8 << 20));
    const put = ['-X', 'PUT', protocol, ...login, '--data-binary'];

    expect(await curl('/pg/metrics/job/j', '-X', 'PUT', protocol, '--data-binary', small)).toEqual({
      status: `401 ${version}`,
      text: 'Unauthorized\n',
    });
    expect(await curl('/pg/metrics/job/j', ...put, small)).toMatchObject({ status: `200 ${version}` });
    expect(await curl('/pg/metrics/job/a%20b/x/y', ...put, large)).toMatchObject({ status: `200 ${version}` });
    for (const how of [[], ['-H', 'Transfer-Encoding: chunked'], ['-H', 'Expect:']]) {
      const answer = await curl('/pg/metrics/job/k', ...put, huge, ...how);
      expect(answer.status).toBe(`413 ${version}`);
      expect(answer.text).toContain('larger than 1048576 bytes');
    }
    expect(await curl('/metrics/job/j', ...put, small)).toMatchObject({ status: `404 ${version}` });
    const scrape = await curl('/pg/metrics', protocol, ...login, '-D', join(folder, 'headers'), '--compressed');
    expect(scrape.status).toBe(`200 ${version}`);
    expect(scrape.text).toContain('\na_metric{instance="",job="j"} 1\n');
    expect(scrape.text).toContain('\nm{i="19999",instance="",job="a b",x="y"} 19999\n');
    expect(scrape.text).not.toContain('job="k"');
    expect(readFileSync(join(folder, 'headers'), 'utf8')).toMatch(/^x-frame-options: deny\r$/im);
    expect(gateway.process.log()).not.toMatch(/warning|level=error/i);
  });
});

test('a flood of logins does not block users who have logged in before', async () => {
  const { gateway } = await startSecured(`basic_auth_users: { alice: "${hashSync(PASSWORD, 10)}" }`);
  const known = { headers: basic('alice', PASSWORD), agent: keepAlive(1) };
  const timed = async () => {
    const startedMs = performance.now();
    expect((await request(gateway.url, '/-/ready', known)).status).toBe(200);
    return performance.now() - startedMs;
  };
  const loginMs = await timed();
  const statuses: number[] = [];
  const over = new AbortController();
  const attackers = Array.from({ length: 30 }, async (_, attacker) => {
    const agent = keepAlive(1);
    for (let guess = 0; !over.signal.aborted; guess++) {
      const headers = basic(guess % 2 === 0 ? 'alice' : `user${guess}`, `guess ${attacker} ${guess}`);
      const { status } = await request(gateway.url, '/-/ready', { headers, agent });
      statuses.push(status);
      if (status === 503) await sleep(10);
    }
    agent.destroy();
  });
  const tookMs: number[] = [];
  for (let count = 0; count < 51; count++) tookMs.push(await timed());
  over.abort();
  await Promise.all(attackers);
  known.agent.destroy();
  // Dozens of password checks wait all the time; the login needed one.
  expect(tookMs.toSorted((a, b) => a - b)[25]).toBeLessThan(loginMs);
  expect(new Set(statuses)).toEqual(new Set([401, 503]));
});

test('a faulty file stops the start, with every fault', async () => {
  const folder = temporaryFolder();
  const file = join(folder, 'web.yml');
  writeFileSync(file, 'tls_server_config: {cert_file: nowhere}\nbasic_auth_users: {alice: hunter2}\nfoo: 1\n');
  const main = join(projectFolder, 'dist/services/gateway/main.js');
  const port = await freePort();
  const args = [main, '--redis.embedded', `--data.dir=${folder}`, `--port=${port}`, `--web.config.file=${file}`];
  const { code, output } = await run(process.execPath, args, { cwd: folder });
  expect(code).not.toBe(0);
  for (const fault of [
    'cannot use tls_server_config.cert_file',
    'cannot use tls_server_config.key_file',
    'cannot use basic_auth_users.alice',
    'cannot use unknown key foo',
  ]) {
    expect(output).toContain(fault);
  }
  expect(output).not.toContain('hunter2');
});

describe('listeners', () => {
  test('a unix socket and two ports; on SIGTERM requests in flight finish on each', async () => {
    const folder = temporaryFolder();
    const other = await freePort();
    const port = await freePort();
    const addresses = [`127.0.0.1:${port}`, `[::1]:${other}`, `unix:${folder}/s`];
    const args = addresses.map((address) => `--web.listen-address=${address}`);
    const gateway = await startGateway({ port, args });
    const targets = [{ host: '127.0.0.1', port }, { host: '::1', port: other }, { socketPath: join(folder, 's') }];
    const agent = keepAlive(4);
    const uploads = targets.map((target, index) => {
      const path = `/metrics/job/j${index}`;
      const outgoing = httpRequest({ ...target, path, method: 'PUT', headers: { 'content-length': 12 }, agent });
      outgoing.write('metric');
      return outgoing;
    });
    await eventually(async () => (await gateway.telemetry()).includes('\npushgateway_inflight_bytes 18\n'));

    gateway.process.signal('SIGTERM');
    await gateway.process.waitForLine(/msg="draining"/);
    await eventually(async () => {
      const attempt = await request(gateway.url, '/-/healthy').catch((error: unknown) => String(error));
      return typeof attempt === 'string' && attempt.includes('ECONNREFUSED');
    });
    expect(existsSync(join(folder, 's'))).toBe(false);
    for (const upload of uploads) {
      upload.end('_name 1\n'.slice(-6));
      const [incoming] = (await once(upload, 'response')) as [IncomingMessage];
      incoming.resume();
      expect(incoming.statusCode).toBe(202);
    }
    expect(await gateway.process.waitForExit()).toEqual({ code: 0, signal: null });
    agent.destroy();
  });

  test('on SIGTERM load balancers have time to notice', async () => {
    const gateway = await startGateway({ args: ['--shutdown.delay=5s'] });
    gateway.process.signal('SIGTERM');
    await gateway.process.waitForLine(/msg="draining"/);
    expect(await gateway.request('/-/ready')).toMatchObject({
      status: 503,
      text: expect.stringContaining('shutting down'),
    });
    expect(await gateway.push('/metrics/job/late', 'late 1\n')).toMatchObject({ status: 202 });
    await eventually(async () => (await gateway.scrape()).includes('late{'));
    expect(await gateway.process.waitForExit()).toEqual({ code: 0, signal: null });
  });

  test('a unix socket is taken again after a crash', async () => {
    const folder = temporaryFolder();
    const address = `--web.listen-address=unix:${folder}/s`;
    const gateway = await startGateway({ port: await freePort(), args: [address], waitUntilReady: false });
    await gateway.process.waitForLine(/msg="ready"/);
    await gateway.killTree();
    expect(existsSync(join(folder, 's'))).toBe(true);
    await gateway.restart();
    await gateway.process.waitForLine(/msg="ready"/);
    const args = ['-sS', '--unix-socket', join(folder, 's'), 'http://any/-/healthy'];
    expect((await run('curl', args)).output).toBe('OK');
    await gateway.stop();
    expect(existsSync(join(folder, 's'))).toBe(false);
  });

  test('sockets of systemd', async () => {
    const folder = temporaryFolder();
    // As systemd does it: listening sockets from descriptor 3 on.
    const tcp = createServer().listen(0, '127.0.0.1');
    const unix = createServer().listen(join(folder, 's'));
    await Promise.all([once(tcp, 'listening'), once(unix, 'listening')]);
    const { port } = tcp.address() as AddressInfo;
    const logFile = join(folder, 'log');
    const log = openSync(logFile, 'a');
    const main = join(projectFolder, 'dist/services/gateway/main.js');
    const flags = ['--redis.embedded', `--data.dir=${folder}`, '--web.systemd-socket', '--port=1'];
    const child = spawn(
      '/bin/sh',
      ['-c', 'LISTEN_PID=$$ LISTEN_FDS=2 exec "$@"', 'sh', process.execPath, main, ...flags],
      { cwd: folder, stdio: ['ignore', log, log, descriptorOf(tcp), descriptorOf(unix)] },
    );
    closeSync(log);
    hold('a gateway', async () => kill(child.pid ?? 0));
    const exited = once(child, 'exit');
    // The gateway no longer accepts connections on them. The socket file belongs to systemd; here our server removes
    // it.
    tcp.close();
    await eventually(() => readFileSync(logFile, 'utf8').includes('msg="ready"'), { timeoutMs: 15_000 });
    expect(readFileSync(logFile, 'utf8')).toContain(`http://127.0.0.1:${port}`);
    expect(await request(`http://127.0.0.1:${port}`, '/-/ready')).toMatchObject({ status: 200 });
    child.kill('SIGTERM');
    expect(await exited).toEqual([0, null]);
    unix.close();
  });

  test('--web.systemd-socket without one', async () => {
    const gateway = await startGateway({ args: ['--web.systemd-socket'], waitUntilReady: false });
    expect((await gateway.process.waitForExit()).code).not.toBe(0);
    expect(gateway.process.log()).toContain('cannot use --web.systemd-socket: no socket was passed');
  });
});

test('the flags of the predecessor', async () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'c'), server.cert);
  writeFileSync(join(folder, 'k'), server.key);
  const args = ['--tls.enabled', `--tls.cert=${folder}/c`, `--tls.key=${folder}/k`];
  const gateway = await startGateway({ args, waitUntilReady: false });
  await gateway.process.waitForLine(/msg="ready" .*https:\/\//);
  const body = 'some_metric 3.14\n';
  expect(await ask(gateway.port, '/ingest', { method: 'POST', body, ca: authority.cert })).toMatchObject({
    status: 202,
  });
});

function descriptorOf(listening: ListeningServer): number {
  return (listening as unknown as { _handle: { fd: number } })._handle.fd;
}
