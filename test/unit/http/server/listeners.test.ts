/** The addresses that the server listens on, and how it stops. */
import { once } from 'node:events';
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { get, request as httpRequest, type IncomingMessage } from 'node:http';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import { text as readText } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import { describe, expect, test } from 'vitest';
import { Listener } from '../../../../shared/http/server/listener.ts';
import { createLogger } from '../../../../shared/logger.ts';
import { makeCertificate } from '../../../support/http/certificates.ts';
import { eventually } from '../../../support/eventually.ts';
import { stopwatch } from '../../../support/process/machine-load.ts';
import { freePort, freePorts } from '../../../support/process/ports.ts';
import { keepAlive, request } from '../../../support/http/request.ts';
import { hold } from '../../../support/process/resources.ts';
import { temporaryFolder } from '../../../support/process/temporary.ts';
import { ask, askHttp2, handshake, newConnections, openHttp2, startWeb } from '../../../support/http/web-server.ts';

const noLogger = createLogger({ level: 'error', format: 'logfmt' });
const { cert, key } = makeCertificate('server');
const tls = { yaml: 'tls_server_config: {cert_file: c, key_file: k}', files: { c: cert, k: key } };

async function getBySocket(socketPath: string, path: string): Promise<number | undefined> {
  const outgoing = get({ socketPath, path, agent: false });
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage];
  await once(incoming.resume(), 'end');
  return incoming.statusCode;
}

describe('addresses', () => {
  test('serves the same on several addresses', async () => {
    const [a = 0, b = 0] = await freePorts(2);
    const folder = temporaryFolder();
    const addresses = [`127.0.0.1:${a}`, `[::1]:${b}`, `unix:${folder}/s`];
    const web = await startWeb({ args: addresses.map((address) => `--web.listen-address=${address}`) });
    expect(web.url).toBe(`http://127.0.0.1:${a}`);
    expect(web.log()).toContain(`http://127.0.0.1:${a}`);
    expect(web.log()).toContain(`http://[::1]:${b}`);
    expect(await request(`http://127.0.0.1:${a}`, '/-/healthy')).toMatchObject({ status: 200 });
    const overIpv6 = await fetch(`http://[::1]:${b}/-/healthy`, { headers: { connection: 'close' } });
    expect([overIpv6.status, await overIpv6.text()]).toEqual([200, 'OK']);
    expect(await getBySocket(`${folder}/s`, '/-/healthy')).toBe(200);
  });

  test('listens on every interface, for IPv4 and IPv6 on the same port', async () => {
    const port = await freePort();
    const args = [`--web.listen-address=0.0.0.0:${port}`, `--web.listen-address=[::]:${port}`];
    const web = await startWeb({ args });
    expect(web.url).toBe(`http://localhost:${port}`);
    for (const host of ['127.0.0.1', '[::1]']) {
      const answer = await fetch(`http://${host}:${port}/-/healthy`, { headers: { connection: 'close' } });
      expect(await answer.text()).toBe('OK');
    }
  });

  test('listens on all addresses or on none', async () => {
    const [free = 0, taken = 0] = await freePorts(2);
    const other = createServer().listen(taken, '127.0.0.1');
    hold('a server', async () => void other.close());
    await once(other, 'listening');
    const args = [`--web.listen-address=127.0.0.1:${free}`, `--web.listen-address=127.0.0.1:${taken}`];
    await expect(startWeb({ args })).rejects.toThrow(`cannot listen on 127.0.0.1:${taken}: EADDRINUSE`);
  });

  test.each([
    ['basic_auth_users: {a: b}\nx: 1', 'cannot use basic_auth_users.a (F/web.yml, line 1)'],
    ['basic_auth_users: {a: b}\nx: 1', 'cannot use unknown key x (F/web.yml, line 2)'],
  ])('a faulty file: %j', async (yaml, fault) => {
    const thrown = await startWeb({ yaml }).then(
      () => undefined,
      (error: unknown) => error as Error,
    );
    expect(thrown).toMatchObject({ name: 'GatewayError', code: 'config_invalid' });
    expect(thrown?.message.replaceAll(/\/\S*\/web\.yml/g, 'F/web.yml')).toContain(fault);
  });
});

describe('a unix socket', () => {
  const args = ['--web.listen-address=unix:F/s'];

  test('is open to owner and group, and removed at the end', async () => {
    const web = await startWeb({ args });
    const path = join(web.folder, 's');
    expect(web.url).toBe(`unix:${path}`);
    expect(statSync(path).mode & 0o777).toBe(0o660);
    expect(await getBySocket(path, '/-/healthy')).toBe(200);
    await web.app.close();
    expect(existsSync(path)).toBe(false);
  });

  test('with TLS', async () => {
    const web = await startWeb({ args, ...tls });
    const answer = await ask(0, '/-/healthy', { socketPath: join(web.folder, 's') } as never);
    expect(answer).toMatchObject({ status: 200 });
  });

  test('replaces a socket that was left behind', async () => {
    const folder = temporaryFolder();
    const path = join(folder, 's');
    // Node removes its own socket, unless the name belongs to another file by then.
    const left = createServer().listen(`${path}.left`);
    await once(left, 'listening');
    const { renameSync } = await import('node:fs');
    renameSync(`${path}.left`, path);
    left.close();
    await once(left, 'close');
    expect(existsSync(path)).toBe(true);
    await startWeb({ args: [`--web.listen-address=unix:${path}`] });
    expect(await getBySocket(path, '/-/healthy')).toBe(200);
  });

  test('does not replace a socket in use or a file', async () => {
    const web = await startWeb({ args });
    const path = join(web.folder, 's');
    await expect(startWeb({ args: [`--web.listen-address=unix:${path}`] })).rejects.toThrow(
      `cannot listen on unix:${path}: another process listens on it`,
    );
    expect(await getBySocket(path, '/-/healthy')).toBe(200);
    const file = join(web.folder, 'file');
    writeFileSync(file, 'precious');
    await expect(startWeb({ args: [`--web.listen-address=unix:${file}`] })).rejects.toThrow('is not a socket');
    expect(existsSync(file)).toBe(true);
  });
});

/** A route that answers when the test says so. */
function slowRoute() {
  const { promise: finished, resolve: finish } = withResolvers();
  let arrived = 0;
  const routes = (app: FastifyInstance) => {
    app.get('/slow', async () => {
      arrived++;
      await finished;
      return 'done';
    });
  };
  return {
    routes,
    finish,
    arrived: async (count: number) => await eventually(() => arrived === count),
  };
}

const isRefused = async (port: number) => {
  const socket = connect(port, '127.0.0.1');
  const [outcome] = (await Promise.race([once(socket, 'connect').then(() => [undefined]), once(socket, 'error')])) as [
    NodeJS.ErrnoException | undefined,
  ];
  socket.destroy();
  return outcome?.code === 'ECONNREFUSED';
};

const ended = async (socket: Socket) => {
  if (!socket.closed) await once(socket.resume(), 'close');
};

const pushRoute = (app: FastifyInstance) => {
  app.post('/push', { config: { readsBody: true } }, async (incoming) => {
    let length = 0;
    for await (const chunk of incoming.raw as AsyncIterable<Buffer>) length += chunk.length;
    return String(length);
  });
};

function withResolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve: (() => void) | undefined;
  const promise = new Promise<void>((fulfil) => (resolve = fulfil));
  return { promise, resolve: () => resolve?.() };
}

describe('close', () => {
  test('on every address: no new connections, idle ones end, requests in flight finish', async () => {
    const [a = 0, b = 0] = await freePorts(2);
    const slow = slowRoute();
    const args = [a, b].map((port) => `--web.listen-address=127.0.0.1:${port}`);
    const web = await startWeb({ args: [...args, '--web.listen-address=unix:F/s'], routes: slow.routes });
    const agent = keepAlive(4);
    const urls = [a, b].map((port) => `http://127.0.0.1:${port}`);
    for (const url of urls) await request(url, '/-/healthy', { agent }); // leaves idle ones
    const silent = connect(a, '127.0.0.1');
    await once(silent, 'connect');
    const answers = urls.map(async (url) => await request(url, '/slow', { agent: keepAlive(1) }));
    const bySocket = getBySocket(join(web.folder, 's'), '/slow');
    await slow.arrived(3);

    let isClosed = false;
    const closed = web.app.close().then(() => (isClosed = true));
    await eventually(async () => (await isRefused(a)) && (await isRefused(b)));
    expect(existsSync(join(web.folder, 's'))).toBe(false);
    await ended(silent);
    expect(isClosed).toBe(false);
    slow.finish();
    expect(await Promise.all(answers)).toMatchObject([
      { status: 200, text: 'done' },
      { status: 200, text: 'done' },
    ]);
    expect(await bySocket).toBe(200);
    // The client keeps the connection alive; close() does not wait for the keep-alive time.
    const took = stopwatch();
    await closed;
    expect(took()).toBeLessThan(2_000);
    agent.destroy();
  });

  test('over TLS: a stream in flight finishes, sessions and idle connections end', async () => {
    const slow = slowRoute();
    const web = await startWeb({ ...tls, routes: slow.routes });
    const session = await openHttp2(web.port);
    const idleSession = await openHttp2(web.port);
    await askHttp2(idleSession, '/-/healthy');
    const idle = await handshake(web.port);
    const under = askHttp2(session, '/slow');
    const http1 = ask(web.port, '/slow', { headers: { connection: 'keep-alive' } });
    await slow.arrived(2);
    let isClosed = false;
    const closed = web.app.close().then(() => (isClosed = true));
    await Promise.all([once(idleSession, 'close'), ended(idle)]);
    await eventually(async () => await isRefused(web.port));
    await expect(askHttp2(session, '/-/healthy')).rejects.toThrow();
    expect(isClosed).toBe(false);
    slow.finish();
    expect(await under).toMatchObject({ status: 200, text: 'done' });
    expect(await http1).toMatchObject({ status: 200, text: 'done' });
    await closed;
  });

  test('does not wait for a handshake that never ends', async () => {
    const web = await startWeb(tls);
    const socket = connect(web.port, '127.0.0.1');
    await once(socket, 'connect');
    const took = stopwatch();
    await web.app.close();
    expect(took()).toBeLessThan(2_000);
    await ended(socket);
  });

  test('serves a request on an idle connection after the port has closed, as the last one', async () => {
    const web = await startWeb();
    const agent = keepAlive(1);
    expect((await request(web.url, '/-/healthy', { agent })).headers.connection).toBe('keep-alive');
    const closed = web.app.close();
    await eventually(async () => await isRefused(web.port));
    expect(await request(web.url, '/-/healthy', { agent })).toMatchObject({
      status: 200,
      headers: { connection: 'close' },
    });
    await closed;
    agent.destroy();
  });

  test('serves a request on a connection that waits to be accepted', async () => {
    const listener = new Listener(
      (_request, response) => response.end('late'),
      undefined,
      false,
      newConnections(),
      noLogger,
    );
    await listener.listen({ port: 0, host: '127.0.0.1' });
    const socket = connect((listener.address as AddressInfo).port, '127.0.0.1');
    socket.end('GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n');
    // The kernel has completed the handshake, but the server has not accepted the connection yet.
    await new Promise<void>((resolve) => process.nextTick(resolve));
    const closed = listener.close();
    expect(await readText(socket)).toContain('late');
    await closed;
  });

  test('an idle connection ends some time after the announced timeout', async () => {
    const web = await startWeb({ args: ['--web.keep-alive-timeout=1s'] });
    const socket = connect(web.port, '127.0.0.1');
    const askOnce = async (): Promise<string> => {
      socket.write('GET /-/healthy HTTP/1.1\r\nHost: h\r\n\r\n');
      let answer = '';
      while (!answer.endsWith('OK')) answer += String(((await once(socket, 'data')) as [Buffer])[0]);
      return answer;
    };
    // The latest moment at which a client may send that relies on the announced time.
    for (let i = 0; i < 2; i++) {
      expect(await askOnce()).toContain('Keep-Alive: timeout=1\r\n');
      await delay(1_500);
    }
    await askOnce();
    const answeredMs = performance.now();
    await ended(socket);
    expect(performance.now() - answeredMs).toBeGreaterThan(2_900);
  });

  test('by default idle connections are kept longer than the 600 s of Google load balancers', async () => {
    const web = await startWeb();
    const agent = keepAlive(1);
    const { headers } = await request(web.url, '/-/healthy', { agent });
    agent.destroy();
    expect(headers['keep-alive']).toBe('timeout=620');
  });

  test('a request that is being sent is served', async () => {
    const web = await startWeb({ routes: pushRoute });
    const outgoing = httpRequest({ port: web.port, host: '127.0.0.1', path: '/push', method: 'POST', agent: false });
    outgoing.write('one');
    await once(outgoing, 'socket');
    await eventually(() => outgoing.socket?.bytesWritten !== 0 && outgoing.socket?.connecting === false);
    await request(web.url, '/-/healthy');
    const closed = web.app.close();
    await eventually(async () => await isRefused(web.port));
    outgoing.end('two');
    const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage];
    const [text] = (await once(incoming, 'data')) as [Buffer];
    expect(String(text)).toBe('6');
    await closed;
  });

  test('a server that never listened can be closed', async () => {
    await expect(startWeb({ yaml: 'x: 1' })).rejects.toThrow('unknown key x');
  });
});
