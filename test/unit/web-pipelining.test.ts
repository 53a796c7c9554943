/** Requests that a client sends without waiting for answers. */
import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { createServer, type ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { answerInOrder } from '../../shared/http/server/pipelining.ts';
import { eventually } from '../support/eventually.ts';

const begun: string[] = [];
const waiting: ServerResponse[] = [];
const server = createServer(
  answerInOrder(({ url = '' }, response) => {
    begun.push(url);
    waiting.push(response);
  }),
);

afterEach(() => {
  begun.length = 0;
  waiting.length = 0;
  server.closeAllConnections();
  server.close();
});

async function open(): Promise<Socket> {
  if (!server.listening) await once(server.listen(0, '127.0.0.1'), 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  await once(socket, 'connect');
  return socket;
}

const requests = (...paths: string[]): string =>
  paths.map((path) => `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi`).join('');

async function hasBegun(...paths: string[]): Promise<void> {
  await eventually(() => begun.length >= paths.length);
  for (let turns = 0; turns < 20; turns++) await turn();
  expect(begun).toEqual(paths);
}

test('each request begins when the previous one is answered; other connections do not wait', async () => {
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

test('requests of a client that has disconnected are not begun', async () => {
  const socket = await open();
  socket.write(requests('/1', '/2'));
  await hasBegun('/1');
  let isClosed = false;
  waiting[0]?.once('close', () => (isClosed = true));
  socket.destroy();
  await eventually(() => isClosed);
  await hasBegun('/1');
});
