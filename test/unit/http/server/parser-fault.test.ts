import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { createServer as createHttps } from 'node:https';
import { connect, type AddressInfo } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { setImmediate } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import { describe, expect, test } from 'vitest';
import { answerParserFault } from '../../../../shared/http/reply/parser-fault.ts';
import { makeCertificate } from '../../../support/http/certificates.ts';
import { eventually } from '../../../support/eventually.ts';
import { rawRequest } from '../../../support/http/raw-request.ts';
import { hold } from '../../../support/process/resources.ts';
import { startWeb } from '../../../support/http/web-server.ts';

// Bytes that the parser refuses are answered once, in order, and end the connection.

const HEAD = 'Host: g\r\nContent-Length: 4\r\n\r\na 1\n';

const READS = { config: { readsBody: true } };

function routes(app: FastifyInstance): void {
  app.put('/slow', READS, async (incoming) => {
    for await (const chunk of incoming.raw) void chunk;
    await setImmediate();
    return 'stored';
  });
  app.put('/quick', async (_request, reply) => await reply.code(404).send('no body wanted'));
  app.put('/whole', READS, async (incoming) => {
    for await (const chunk of incoming.raw) void chunk;
    return 'stored';
  });
}

/** Status lines, and bodies without their lengths. */
function answersIn(received: string): string[] {
  return received.split(/(?=HTTP\/1\.1 )/).map((one) => {
    expect(one).toMatch(/\r\nX-Content-Type-Options: nosniff\r\n/i);
    return `${one.slice(9, 12)} ${one.split('\r\n\r\n')[1] ?? ''}`.trim();
  });
}

describe('what is not HTTP', () => {
  test.each<[string, readonly string[], readonly string[]]>([
    ['nonsense', ['nonsense\r\n\r\n'], ['400']],
    ['a header line without a name', ['GET /-/healthy HTTP/1.1\r\nHost: g\r\n: x\r\n\r\n'], ['400']],
    ['a header that is too long', [`GET / HTTP/1.1\r\nHost: g\r\nX: ${'x'.repeat(200_000)}\r\n\r\n`], ['431']],
    [
      'an unknown expectation',
      [`PUT /whole HTTP/1.1\r\nExpect: nothing\r\n${HEAD}`],
      ['417 unsupported Expect: expected 100-continue'],
    ],
    ['after a request in progress', [`PUT /slow HTTP/1.1\r\n${HEAD}get / HTTP/1.1\r\n\r\n`], ['200 stored', '400']],
    [
      'after two requests in progress',
      [`PUT /slow HTTP/1.1\r\n${HEAD}PUT /slow HTTP/1.1\r\n${HEAD}nonsense\r\n\r\n`],
      ['200 stored', '200 stored', '400'],
    ],
    [
      'in a body that is being read',
      ['PUT /whole HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n'],
      ['400'],
    ],
    [
      'in a body after a request in progress',
      [`PUT /slow HTTP/1.1\r\n${HEAD}PUT /whole HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: g\r\n\r\n1\r\nabc\r\n`],
      ['200 stored', '400'],
    ],
  ])('%s', async (_, parts, answers) => {
    const web = await startWeb({ routes });
    expect(answersIn(await rawRequest(web.port, parts))).toEqual(answers);
  });

  test('in a body whose request was already answered', async () => {
    const web = await startWeb({ routes });
    const head = 'PUT /quick HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: chunked\r\n\r\n';
    for (const parts of [[`${head}1\r\nabc\r\n0\r\n\r\n`], [head, '1\r\nabc\r\n0\r\n\r\n']])
      expect(answersIn(await rawRequest(web.port, parts))).toEqual(['404 no body wanted']);
  });
});

test('CONNECT after a request in progress is answered, and nothing after it', async () => {
  const web = await startWeb({ routes });
  const parts = [`PUT /slow HTTP/1.1\r\n${HEAD}CONNECT g:80 HTTP/1.1\r\nHost: g\r\n\r\nGET / HTTP/1.1\r\n\r\n`];
  expect(answersIn(await rawRequest(web.port, parts))).toEqual([
    '200 stored',
    '405 cannot use CONNECT: this is no proxy',
  ]);
});

test('a client that continues to send can read the answers, and is cut off soon', async () => {
  const web = await startWeb({ routes });
  const socket = connect({ port: web.port, host: '127.0.0.1', allowHalfOpen: true }).on('error', () => {});
  const startedMs = performance.now();
  socket.resume().write('nonsense\r\n\r\n');
  await once(socket, 'end');
  await eventually(() => {
    if (!socket.destroyed) socket.write('more\r\n');
    return socket.destroyed;
  });
  expect(performance.now() - startedMs).toBeGreaterThan(400);
});

test('data that follows on such a connection takes no memory', async () => {
  let answer = (): void => {};
  const answered = new Promise<void>((resolve) => {
    answer = resolve;
  });
  const held: ServerResponse[] = [];
  const web = await startWeb({
    routes: (app) =>
      app.get('/held', async (_request, { raw }) => {
        held.push(raw);
        await answered;
        return 'held';
      }),
  });
  const socket = connect({ port: web.port, host: '127.0.0.1' });
  socket.write('GET /held HTTP/1.1\r\nHost: g\r\n\r\n');
  await eventually(() => held.length > 0);
  const listeners = (): number | undefined => held[0]?.listenerCount('close');
  const before = listeners() ?? 0;
  for (let i = 0; i < 50; i++) {
    socket.write('nonsense\r\n\r\n');
    await setImmediate();
  }
  await eventually(() => held[0]?.req.socket.bytesRead === socket.bytesWritten);
  expect(listeners()).toBe(before + 1);
  answer();
  await once(socket.resume(), 'close');
});

test('a TLS handshake that took too long is not answered and cannot complete later', async () => {
  const { cert, key } = makeCertificate('server');
  let secured = 0;
  const server = createHttps({ cert, key, handshakeTimeout: 50 }, (_request, response) => response.end());
  server.on('clientError', answerParserFault).on('secureConnection', () => secured++);
  hold('a TLS server', async () => {
    server.close();
    await once(server, 'close');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const raw = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const closed = once(raw, 'close');
  await once(server, 'tlsClientError');
  const client = connectTls({ socket: raw, rejectUnauthorized: false });
  client.on('error', () => {});
  await closed;
  expect(secured).toBe(0);
});

test('a request that asks for another protocol is answered as the last one', async () => {
  const web = await startWeb({ routes });
  const hidden = 'GET /hidden HTTP/1.1\r\nHost: g\r\n\r\n';
  const socket = connect(web.port, '127.0.0.1').on('error', () => {});
  const closed = new Promise((resolve) => void socket.on('close', resolve));
  let received = '';
  socket.on('data', (chunk) => (received += chunk.toString()));
  const upgrade = 'GET /none HTTP/1.1\r\nHost: g\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n';
  // Node drops what follows the first request in the same chunk, and would take the body for a request.
  socket.write(`${upgrade}PUT /whole HTTP/1.1\r\nHost: g\r\nContent-Length: ${hidden.length}\r\n\r\n`);
  await eventually(() => expect(received).toContain('\r\n\r\n'));
  socket.write(hidden);
  await closed;
  expect(received.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 404']);
  expect(received.toLowerCase()).toContain('\r\nconnection: close\r\n');
});
