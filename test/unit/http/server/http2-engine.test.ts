/** Sessions that the server ends: with short limits, on a TLS server of the test. */
import { once } from 'node:events';
import type { RequestListener, ServerResponse } from 'node:http';
import { constants } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { createServer, type TLSSocket } from 'node:tls';
import { expect, test } from 'vitest';
import type { ConnectionLimits } from '../../../../shared/http/server/connections.ts';
import { Http2Engine, type Http2Limits } from '../../../../shared/http/server/http2-engine.ts';
import { createLogger } from '../../../../shared/logger.ts';
import { makeCertificate } from '../../../support/http/certificates.ts';
import { eventually } from '../../../support/eventually.ts';
import { stopwatch } from '../../../support/process/machine-load.ts';
import { hold } from '../../../support/process/resources.ts';
import { askHttp2, handshake, newConnections, openHttp2 } from '../../../support/http/web-server.ts';

const never = 60_000;
const { cert, key } = makeCertificate('server');

async function start(handler: RequestListener, limits: Partial<Http2Limits & ConnectionLimits>) {
  const logger = createLogger({ level: 'error', format: 'logfmt' });
  const cuts: string[] = [];
  const connections = newConnections(limits, (reason) => cuts.push(reason));
  const engine = new Http2Engine(handler, connections, { quietMs: never, pingMs: never, ...limits }, logger);
  const sockets = new Set<TLSSocket>();
  const server = createServer({ cert, key, ALPNProtocols: ['h2'] }, (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    engine.take(socket);
  });
  hold('a TLS server', async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { engine, cuts, connections, port: (server.address() as AddressInfo).port };
}

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0';

const ok: RequestListener = (_request, response) => void response.end('ok');
const unanswered: RequestListener = (request, response) => void (request.url === '/ok' && response.end('ok'));
const late: RequestListener = (_request, response) => void setTimeout(() => response.end('late'), 500);

test('an idle session is closed, one with requests stays open', async () => {
  const { port } = await start(ok, { keepAliveMs: 300, quietMs: 100, pingMs: 100 });
  const busy = await openHttp2(port);
  const quiet = await openHttp2(port);
  const asking = setInterval(() => void askHttp2(busy, '/').catch(() => undefined), 50);
  const startedMs = performance.now();
  await once(quiet, 'close');
  expect(performance.now() - startedMs).toBeGreaterThan(250);
  expect(busy.closed).toBe(false);
  clearInterval(asking);
  await once(busy, 'close');
});

test('a request that takes longer than the idle timeout finishes', async () => {
  const { port } = await start(late, { keepAliveMs: 100, quietMs: 50, pingMs: 100 });
  const session = await openHttp2(port);
  expect(await askHttp2(session, '/')).toMatchObject({ status: 200, text: 'late' });
  await once(session, 'close');
});

test('a client that does not answer pings is cut off', async () => {
  // Node itself ends a session after ten unanswered pings.
  const { port } = await start(ok, { quietMs: 300, pingMs: 100 });
  // Completes the handshake and answers nothing, like a client that disappeared without Node noticing.
  const socket = await handshake(port, { ALPNProtocols: ['h2'] });
  socket.on('error', () => {});
  socket.resume();
  socket.write(PREFACE);
  const took = stopwatch();
  await once(socket, 'close');
  expect(took()).toBeLessThan(2_000);
});

test('close() waits for a client that still responds, but not for one that is gone', async () => {
  let asked: ServerResponse | undefined;
  const slow: RequestListener = (_request, response) => void (asked = response);
  const { engine, port } = await start(slow, { pingMs: 100 });
  const gone = await handshake(port, { ALPNProtocols: ['h2'] });
  gone.on('error', () => {});
  gone.resume();
  gone.write(PREFACE);
  const session = await openHttp2(port);
  const answered = askHttp2(session, '/');
  await new Promise((resolve) => setTimeout(resolve, 50));
  engine.close();
  engine.close();
  await once(gone, 'close');
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(session.destroyed).toBe(false);
  asked?.end('late');
  expect(await answered).toMatchObject({ text: 'late' });
  await once(session, 'close');
});

test.each([
  ['an error that Node does not report', '\0\0\x03\0\0\0\0\0\0abc'],
  ['such an error while an upload is open', '\0\0\x06\x01\x04\0\0\0\x01\x83\x84\x87\x41\x01h\0\0\x03\0\0\0\0\0\0abc'],
])('after %s the connection ends soon', async (_what, frame) => {
  const { port, connections } = await start(unanswered, { pingMs: 100, bodyMs: 1_000 });
  const socket = await handshake(port, { ALPNProtocols: ['h2'] });
  socket.on('error', () => {});
  socket.pause();
  const took = stopwatch();
  socket.write(PREFACE + frame, 'latin1');
  await eventually(() => connections.size === 0);
  expect(took()).toBeLessThan(12_000);
});

test('a session whose client resets many streams is closed, others are not', async () => {
  const { port, cuts } = await start(unanswered, {});
  const other = await openHttp2(port);
  const session = await openHttp2(port);
  const isClosed = once(session, 'close');
  for (let i = 0; i < 600 && !session.destroyed; i++) {
    const stream = session.request({ ':path': '/' });
    stream.on('error', () => {});
    const isOver = once(stream, 'close');
    // Before that event the request might never be sent.
    await new Promise((resolve) => session.ping(resolve));
    stream.close(constants.NGHTTP2_CANCEL);
    await isOver;
  }
  await isClosed;
  expect(cuts).toEqual(['reset']);
  expect(await askHttp2(other, '/ok')).toMatchObject({ text: 'ok' });
});

test('a session that is flooded with frames ends', async () => {
  const { cuts, port } = await start(ok, {});
  // Of a type that is not known, which is ignored.
  const frame = Buffer.concat([Buffer.from([0, 0, 8, 0xee, 0, 0, 0, 0, 0]), Buffer.alloc(8)]);
  const flood = Buffer.concat(Array.from({ length: 2_000 }, () => frame));
  const socket = await handshake(port, { ALPNProtocols: ['h2'] });
  socket.on('error', () => {});
  socket.resume();
  socket.write(PREFACE, 'latin1');
  const flooding = setInterval(() => socket.write(flood), 5);
  // Not `once`, which a write to the closed socket would make fail.
  await new Promise((resolve) => void socket.on('close', resolve));
  clearInterval(flooding);
  expect(cuts).toEqual(['overhead']);
});

test('a session may have many requests and large bodies', async () => {
  let received = 0;
  const count: RequestListener = (request, response) => {
    request.on('data', (chunk: Buffer) => (received += chunk.length));
    request.on('end', () => response.end('ok'));
  };
  const { cuts, port } = await start(count, {});
  const session = await openHttp2(port);
  const body = Buffer.alloc(4 * 1024 * 1024);
  for (let i = 0; i < 4; i++) {
    const stream = session.request({ ':method': 'PUT', ':path': '/' });
    stream.end(body);
    stream.resume();
    await once(stream, 'end');
  }
  for (let i = 0; i < 2_000; i++) await askHttp2(session, `/${'x'.repeat(2_000)}`);
  expect([received, cuts, session.closed]).toEqual([4 * body.length, [], false]);
  session.close();
});
