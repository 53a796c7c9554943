/** How long clients may take, and how many connections and how much memory they may take. */
import { once } from 'node:events';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { Readable } from 'node:stream';
import { text as readText } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import { describe, expect, test } from 'vitest';
import { sendBuffers } from '../../../../services/reader/scrape/send-buffers.ts';
import { Listener } from '../../../../shared/http/server/listener.ts';
import { createLogger } from '../../../../shared/logger.ts';
import { makeCertificate } from '../../../support/http/certificates.ts';
import { eventually } from '../../../support/eventually.ts';
import { stopwatch } from '../../../support/process/machine-load.ts';
import { request } from '../../../support/http/request.ts';
import { hold } from '../../../support/process/resources.ts';
import {
  askHttp2,
  handshake,
  newConnections,
  openHttp2,
  startWeb,
  type Web,
} from '../../../support/http/web-server.ts';

const { cert, key } = makeCertificate('server');
const tls = { yaml: 'tls_server_config: {cert_file: c, key_file: k}', files: { c: cert, k: key } };

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0';
const GOAWAY = `\0\0\x08\x07${'\0'.repeat(13)}`;

async function open(port: number, head = ''): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  hold('a connection', async () => void socket.destroy());
  await once(socket, 'connect');
  socket.write(head);
  return socket;
}

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: h\r\n\r\n`;
const post = (path: string, length: number): string =>
  `POST ${path} HTTP/1.1\r\nHost: h\r\nContent-Length: ${length}\r\n\r\n`;

async function cuts({ registry }: Web): Promise<Record<string, number>> {
  const metric = registry.getSingleMetric('pushgateway_http_connections_cut_total');
  const { values } = (await metric?.get()) ?? { values: [] };
  return Object.fromEntries(
    values.filter(({ value }) => value > 0).map(({ labels, value }) => [labels['reason'], value]),
  );
}

/** Reads the body, at once or later, and answers with its length. */
function uploads(beginsMs = 0) {
  return (app: FastifyInstance): void => {
    app.post('/upload', { config: { readsBody: true } }, async (incoming) => {
      await delay(beginsMs);
      return String((await readText(incoming.raw)).length);
    });
  };
}

describe('bodies', () => {
  const args = ['--web.body-timeout=1s'];

  test('a slow body that makes progress is read to its end', async () => {
    const { port } = await startWeb({ args, routes: uploads() });
    const socket = await open(port, post('/upload', 20));
    for (let i = 0; i < 20; i++) {
      await delay(200);
      socket.write('x');
    }
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toContain('HTTP/1.1 200 OK\r\n');
  });

  test('a body without progress is answered 408', async () => {
    const web = await startWeb({ args, routes: uploads() });
    const took = stopwatch();
    const answer = await readText(await open(web.port, `${post('/upload', 20)}some`));
    expect(took()).toBeGreaterThan(900);
    expect(answer).toMatch(/^HTTP\/1.1 408 Request Timeout\r\n[^]*Connection: close\r\n\r\ncannot read the body: /);
    expect(answer).toContain('nothing arrived for 1s (--web.body-timeout)\n');
    expect(await cuts(web)).toEqual({ body_timeout: 1 });
  });

  test('the timeout does not run while the gateway does not read', async () => {
    const { port } = await startWeb({ args, routes: uploads(3_500) });
    const socket = await open(port, post('/upload', 3e6));
    Readable.from([Buffer.alloc(1e6), Buffer.alloc(1e6), Buffer.alloc(1e6)]).pipe(socket, { end: false });
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toMatch(/200 OK[^]*3000000$/);
  });

  test('the timeout does not run while the request waits for an earlier one', async () => {
    const { port } = await startWeb({ args, routes: uploads(3_500) });
    const socket = await open(port, `${post('/upload', 1)}x${post('/upload', 4)}x`);
    let answers = '';
    socket.setEncoding('utf8').on('data', (part: string) => (answers += part));
    await eventually(() => answers.includes('200 OK'));
    socket.write('xxx');
    await eventually(() => /200 OK[^]*200 OK[^]*4$/.test(answers));
  });

  test('the same over HTTP/2: slow, without progress, or not read yet', async () => {
    const routes = (app: FastifyInstance): void => {
      uploads()(app);
      app.post('/later', { config: { readsBody: true } }, async (incoming) => {
        await delay(3_500);
        return String((await readText(incoming.raw)).length);
      });
    };
    const web = await startWeb({ args, ...tls, routes });
    const session = await openHttp2(web.port);
    const slow = async function* () {
      for (let i = 0; i < 15; i++) {
        await delay(200);
        yield 'x';
      }
    };
    const send = async (path: string, body: Readable): Promise<string> => {
      const stream = session.request({ ':method': 'POST', ':path': path });
      body.pipe(stream);
      const [headers] = (await once(stream, 'response')) as [{ ':status': number }];
      return `${headers[':status']} ${await readText(stream)}`;
    };
    const stalled = new Readable({ read: () => undefined });
    stalled.push('x');
    expect(
      await Promise.all([
        send('/upload', Readable.from(slow())),
        send('/upload', stalled),
        send('/later', Readable.from([Buffer.alloc(50_000), Buffer.alloc(50_000)])),
        send('/later', Readable.from(['x'])),
      ]),
    ).toEqual([
      '200 15',
      '408 cannot read the body: nothing arrived for 1s (--web.body-timeout)\n',
      '200 100000',
      '200 1',
    ]);
    expect(await cuts(web)).toEqual({ body_timeout: 1 });
    expect(web.log()).not.toContain('level=error');
  });
});

test('headers that never end are cut off, even if they make progress', async () => {
  const logger = createLogger({ level: 'error', format: 'logfmt' });
  const connections = newConnections({ headersMs: 1_000 });
  const listener = new Listener((_request, response) => response.end(), undefined, false, connections, logger);
  await listener.listen({ port: 0, host: '127.0.0.1' });
  hold('a listener', async () => listener.close());
  const { port } = listener.address as AddressInfo;
  for (const before of ['', get('/')]) {
    const socket = await open(port, `${before}GET / HTTP/1.1\r\nHost: h\r\n`);
    let received = '';
    socket.on('data', (chunk: Buffer) => (received += chunk.toString()));
    const drip = setInterval(() => socket.write('x: y\r\n'), 100);
    await once(socket, 'close');
    clearInterval(drip);
    expect(received).toContain('HTTP/1.1 408 Request Timeout\r\n');
  }
});

/** Answers with buffers of their own, `size` bytes in all. */
function downloads(app: FastifyInstance): void {
  app.get('/download', async (incoming, reply) => {
    const { size = '0' } = incoming.query as { size?: string };
    const count = Number(size) / 50_000;
    return await sendBuffers(
      reply,
      Array.from({ length: count }, () => Buffer.alloc(50_000)),
    );
  });
  app.get('/text', async (_incoming, reply) => await reply.send('x'.repeat(50e6)));
  app.get('/stream', async (_incoming, reply) => await reply.send(Readable.from(forever())));
}

function* forever(): Generator<string> {
  for (;;) yield 'x'.repeat(10_000);
}

const PATHS = ['/download?size=50000000', '/text', '/stream'];

describe('answers', () => {
  const args = ['--web.answer-timeout=1s'];

  test.each(PATHS)('an answer that is not read ends the connection: %s', async (path) => {
    const web = await startWeb({ args, routes: downloads });
    const socket = await open(web.port, get(path));
    await eventually(async () => expect(await cuts(web)).toEqual({ answer_timeout: 1 }));
    let length = 0;
    socket.on('data', (chunk: Buffer) => (length += chunk.length));
    await once(socket, 'close');
    expect(length).toBeLessThan(50e6);
  });

  test.each(PATHS)('an answer that is not read ends its HTTP/2 stream, others continue: %s', async (path) => {
    const web = await startWeb({ args, ...tls, routes: downloads });
    const session = await openHttp2(web.port);
    const stream = session.request({ ':path': path });
    stream.on('error', () => undefined);
    await once(stream, 'response');
    await eventually(async () => expect(await cuts(web)).toEqual({ answer_timeout: 1 }));
    expect(await askHttp2(session, '/-/healthy')).toMatchObject({ status: 200 });
    stream.resume();
    await eventually(() => stream.closed);
    expect(stream.rstCode).toBe(8);
  });

  test('an answer that is read slowly is sent to its end', async () => {
    const web = await startWeb({ args: ['--web.answer-timeout=2s'], routes: downloads });
    const socket = await open(web.port, get('/download?size=20000000').replace('1.1', '1.0'));
    let length = 0;
    const took = stopwatch();
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      length += chunk.length;
      await delay(20);
    }
    expect(length).toBeGreaterThan(20e6);
    expect(took()).toBeGreaterThan(4_000);
    expect(await cuts(web)).toEqual({});
  });

  test('above the memory limit, answers of the client that holds most are ended, the oldest first', async () => {
    const web = await startWeb({ args: ['--web.max-buffered-bytes=30MB'], routes: downloads });
    const sockets: Socket[] = [];
    for (let i = 0; i < 4; i++) {
      sockets.push(await open(web.port, get('/download?size=20000000')));
      await delay(1_100);
    }
    // The largest answer does not count: 20 and 20 MB are allowed, 60 are not.
    await eventually(async () => expect(await cuts(web)).toEqual({ buffered: 2 }));
    const [first, second, ...last] = sockets;
    for (const socket of [first, second]) socket?.resume();
    await eventually(() => first?.closed === true && second?.closed === true);
    expect(last.every(({ closed }) => !closed)).toBe(true);
  });

  test('answers that share their buffers count once', async () => {
    const buffers = Array.from({ length: 400 }, () => Buffer.alloc(50_000));
    const web = await startWeb({
      args: ['--web.max-buffered-bytes=5MB'],
      routes: (app) => void app.get('/shared', async (_incoming, reply) => await sendBuffers(reply, [...buffers])),
    });
    const sockets = await Promise.all(Array.from({ length: 5 }, async () => await open(web.port, get('/shared'))));
    await delay(2_500);
    expect(await cuts(web)).toEqual({});
    expect(sockets.every(({ closed }) => !closed)).toBe(true);
  });
});

describe('connections', () => {
  test('when there are too many, the longest idle connection is closed', async () => {
    const web = await startWeb({ args: ['--web.max-connections=3'] });
    const idle: Socket[] = [];
    for (let i = 0; i < 3; i++) {
      const socket = await open(web.port, get('/-/healthy'));
      await once(socket, 'data');
      idle.push(socket);
      await delay(1_100);
    }
    expect((await request(web.url, '/-/healthy')).status).toBe(200);
    await eventually(() => idle[0]?.closed);
    expect(idle.map(({ closed }) => closed)).toEqual([true, false, false]);
    expect(await cuts(web)).toEqual({ evicted: 1 });
  });

  test('when all have requests in progress, new connections are refused', async () => {
    let arrived = 0;
    let finish = (): void => undefined;
    const finished = new Promise<void>((resolve) => (finish = resolve));
    const routes = (app: FastifyInstance): void => {
      app.get('/slow', async () => {
        arrived++;
        await finished;
        return 'slow';
      });
    };
    const web = await startWeb({ args: ['--web.max-connections=3'], routes });
    const answers = [1, 2, 3].map(async () => await request(web.url, '/slow'));
    await eventually(() => arrived === 3);
    await expect(request(web.url, '/-/healthy')).rejects.toThrow(/ECONNRESET|socket hang up/);
    expect(await cuts(web)).toEqual({ refused: 1 });
    finish();
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 200, 200]);
    expect((await request(web.url, '/-/healthy')).status).toBe(200);
  });

  test('if no connection is idle, one with an incomplete upload or answer is closed', async () => {
    const web = await startWeb({ args: ['--web.max-connections=3'], routes: uploads() });
    const stalled: Socket[] = [];
    for (let i = 0; i < 3; i++) stalled.push(await open(web.port, post('/upload', 20)));
    await delay(100);
    for (let i = 0; i < 3; i++) expect((await request(web.url, '/-/healthy')).status).toBe(200);
    await eventually(() => stalled.filter(({ closed }) => closed).length === 1);
  });

  test('connections in their TLS handshake count', async () => {
    const web = await startWeb({ args: ['--web.max-connections=3'], ...tls });
    const sockets: Socket[] = [];
    for (let i = 0; i < 6; i++) sockets.push(await open(web.port));
    await eventually(() => sockets.filter(({ closed }) => closed).length === 3);
    const session = await openHttp2(web.port);
    expect(await askHttp2(session, '/-/healthy')).toMatchObject({ status: 200 });
    expect(await web.registry.metrics()).toContain('\npushgateway_http_connections 3\n');
  });

  test('a connection that the client keeps open after the end of its session is closed', async () => {
    const web = await startWeb(tls);
    // The type definitions do not have it.
    const halfOpen: object = { allowHalfOpen: true };
    const socket = await handshake(web.port, { ALPNProtocols: ['h2'], ...halfOpen });
    socket.on('error', () => undefined);
    socket.write(`${PREFACE}${GOAWAY}`);
    await once(socket.resume(), 'end');
    expect(await web.registry.metrics()).toContain('\npushgateway_http_connections 1\n');
    // The limit is 5 s, and a sweep each second sees that it is over.
    await eventually(async () => expect(await web.registry.metrics()).toContain('\npushgateway_http_connections 0\n'), {
      timeoutMs: 15_000,
      what: 'a closed connection',
    });
  });
});
