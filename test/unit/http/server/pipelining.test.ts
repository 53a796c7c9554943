/** Requests that a client sends without waiting for answers. */
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { beforeEach, expect, test } from 'vitest';
import type { Connections } from '../../../../shared/http/server/connections.ts';
import { Listener } from '../../../../shared/http/server/listener.ts';
import { createLogger } from '../../../../shared/logger.ts';
import { eventually } from '../../../support/eventually.ts';
import { hold } from '../../../support/process/resources.ts';
import { newConnections } from '../../../support/http/web-server.ts';

const begun: string[] = [];
const waiting: ServerResponse[] = [];
const cuts: string[] = [];
let answersAtOnce = false;
let connections: Connections;
let port = 0;

beforeEach(async () => {
  begun.length = 0;
  waiting.length = 0;
  cuts.length = 0;
  answersAtOnce = false;
  connections = newConnections({}, (reason) => cuts.push(reason));
  const listener = new Listener(
    ({ url = '' }, response) => {
      begun.push(url);
      if (answersAtOnce) response.end('answered');
      else waiting.push(response);
    },
    undefined,
    false,
    connections,
    createLogger({ level: 'error', format: 'logfmt' }),
  );
  await listener.listen({ port: 0, host: '127.0.0.1' });
  hold('a listener', async () => {
    for (const response of waiting) response.destroy();
    await listener.close();
  });
  ({ port } = listener.address as AddressInfo);
});

async function open(): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  hold('a connection', async () => void socket.destroy());
  await once(socket, 'connect');
  return socket;
}

const requests = (...paths: string[]): string =>
  paths.map((path) => `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi`).join('');

const numbered = (count: number): string[] => Array.from({ length: count }, (_, i) => `/${i}`);

async function hasBegun(...paths: string[]): Promise<void> {
  await eventually(() => begun.length >= paths.length);
  for (let turns = 0; turns < 20; turns++) await turn();
  expect(begun).toEqual(paths);
}

test('each request starts when the previous one is answered; other connections do not wait', async () => {
  const one = await open();
  let received = '';
  one.setEncoding('utf8').on('data', (text: string) => (received += text));
  one.write(requests('/1', '/2', '/3'));
  await hasBegun('/1');
  const other = await open();
  other.write(requests('/other'));
  await hasBegun('/1', '/other');
  waiting[0]?.end('first');
  await hasBegun('/1', '/other', '/2');
  waiting[2]?.end('second');
  await hasBegun('/1', '/other', '/2', '/3');
  waiting[3]?.end('third');
  await eventually(() => /first[^]*second[^]*third/.test(received));
  // The next request does not wait for anything.
  one.write(requests('/4'));
  await hasBegun('/1', '/other', '/2', '/3', '/4');
});

test('requests of a client that has disconnected are not started', async () => {
  const socket = await open();
  socket.write(requests('/1', '/2'));
  await hasBegun('/1');
  let isClosed = false;
  waiting[0]?.once('close', () => (isClosed = true));
  socket.resetAndDestroy();
  await eventually(() => isClosed);
  await hasBegun('/1');
});

test('a request that arrives after an answer with Connection: close is not started', async () => {
  const socket = await open();
  socket.write(requests('/1', '/2'));
  await hasBegun('/1');
  waiting[0]?.setHeader('Connection', 'close');
  waiting[0]?.end('last');
  await once(socket.resume(), 'close');
  await hasBegun('/1');
});

test('data that a client sends while many of its requests wait is not read', async () => {
  const socket = await open();
  const some = requests(...numbered(500));
  let isAccepted = true;
  // More than the kernel buffers; of what was written, the last part is never accepted.
  for (let sent = 0; sent < 64e6; sent += some.length) isAccepted = socket.write(some);
  expect(isAccepted).toBe(false);
  await hasBegun('/0');
  let unsent = -1;
  await eventually(
    () => {
      const before = unsent;
      unsent = socket.writableLength;
      return unsent === before;
    },
    { intervalMs: 300 },
  );
  expect(unsent).toBeGreaterThan(16e6);
  expect(connections.waiting).toBeLessThan(2_000);
});

test('a client that does not wait gets all its answers, in order', async () => {
  answersAtOnce = true;
  const socket = await open();
  let answers = 0;
  let rest = '';
  socket.setEncoding('utf8').on('data', (text: string) => {
    const parts = (rest + text).split('answered');
    rest = parts.pop() ?? '';
    answers += parts.length;
  });
  const paths = numbered(5_000);
  for (let i = 0; i < paths.length; i += 500) socket.write(requests(...paths.slice(i, i + 500)));
  await eventually(() => answers === paths.length, { timeoutMs: 60_000 });
  expect(begun).toEqual(paths);
  expect(connections.waiting).toBe(0);
});

test('when too many requests wait in total, connections with a few of them stay open, others are cut', async () => {
  const sockets: Socket[] = [];
  for (let i = 0; i < 4; i++) {
    const socket = await open();
    sockets.push(socket);
    socket.write(requests(...numbered(800)));
    await eventually(() => begun.length > i);
  }
  await eventually(() => cuts.length === 2);
  const [first, second, ...late] = sockets;
  await eventually(() => late.every(({ closed }) => closed));
  expect([first?.closed, second?.closed]).toEqual([false, false]);
  // Each connection may have eight more.
  expect(connections.waiting).toBeLessThanOrEqual(2_048 + 2 * 8);
  const polite = await open();
  polite.write(requests(...numbered(9)));
  await eventually(() => waiting.length === 5);
  expect(polite.closed).toBe(false);
});

test('the parser stops when a connection is cut', async () => {
  const sockets = [await open(), await open(), await open()];
  for (const socket of sockets) socket.write(requests(...numbered(1_024)));
  await eventually(() => sockets.some(({ closed }) => closed));
  // Otherwise it would hand over the other requests of the chunk, too.
  expect(cuts).toEqual(['pipelined']);
});
