/** Requests that two servers might understand differently: each is refused, and what follows it is not read. */
import { text as readText } from 'node:stream/consumers';
import type { FastifyInstance } from 'fastify';
import { expect, test } from 'vitest';
import { rawRequest } from '../../../support/http/raw-request.ts';
import { startWeb } from '../../../support/http/web-server.ts';

const HOST = 'Host: h\r\n';
const CHUNKS = '3\r\nabc\r\n0\r\n\r\n';
const post = (headers: string, body: string): string => `POST /body HTTP/1.1\r\n${HOST}${headers}\r\n${body}`;
const NEXT = `GET /-/healthy HTTP/1.1\r\n${HOST}\r\n`;

const routes = (app: FastifyInstance): void => {
  app.post('/body', { config: { readsBody: true } }, async (incoming) => `body: ${await readText(incoming.raw)}`);
};

test.each([
  [400, 'two Host headers', `GET / HTTP/1.1\r\n${HOST}HOST: other\r\n\r\n`],
  [400, 'two equal Host headers', `GET / HTTP/1.1\r\n${HOST}${HOST}\r\n`],
  [400, 'no Host header', 'GET / HTTP/1.1\r\n\r\n'],
  [501, 'a coding before chunked', post('Transfer-Encoding: gzip, chunked\r\n', CHUNKS)],
  [501, 'the same in two lines', post('Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n', CHUNKS)],
  [400, 'chunked twice', post('Transfer-Encoding: chunked, chunked\r\n', CHUNKS)],
  [400, 'a coding after chunked', post('Transfer-Encoding: chunked, gzip\r\n', CHUNKS)],
  [501, 'another coding', post('Transfer-Encoding: gzip\r\n', 'abc')],
  [400, 'identity', post('Transfer-Encoding: identity\r\nContent-Length: 3\r\n', 'abc')],
  [400, 'chunks in HTTP/1.0', `POST /body HTTP/1.0\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n${CHUNKS}`],
  [400, 'a length and chunks', post('Content-Length: 3\r\nTransfer-Encoding: chunked\r\n', CHUNKS)],
  [400, 'chunks and a length', post('Transfer-Encoding: chunked\r\nContent-Length: 3\r\n', CHUNKS)],
  [400, 'two lengths', post('Content-Length: 3\r\nContent-Length: 4\r\n', 'abcd')],
  [400, 'two equal lengths', post('Content-Length: 3\r\nContent-Length: 3\r\n', 'abc')],
  [400, 'a list of lengths', post('Content-Length: 3, 3\r\n', 'abc')],
  [400, 'a length with a sign', post('Content-Length: +3\r\n', 'abc')],
  [400, 'a header line that continues', post('X: a\r\n b\r\nContent-Length: 3\r\n', 'abc')],
  [400, 'a space before the colon', post('Content-Length : 3\r\n', 'abc')],
  [400, 'lines that end with LF', `GET / HTTP/1.1\n${HOST.trim()}\n\n`],
  [400, 'CR in a value', post('X: a\rb\r\nContent-Length: 3\r\n', 'abc')],
  [400, 'NUL in a value', post('X: a\0b\r\nContent-Length: 3\r\n', 'abc')],
  [400, 'more in a chunk than announced', post('Transfer-Encoding: chunked\r\n', '3\r\nabcd\r\n0\r\n\r\n')],
  [431, 'more header lines than the parser keeps', post(`${'x: y\r\n'.repeat(1_001)}Content-Length: 3\r\n`, 'abc')],
])('%s for %s', async (status, _what, text) => {
  const { port } = await startWeb({ routes });
  const answer = await rawRequest(port, [text + NEXT]);
  expect(answer.match(/HTTP\/1\.1 \d+/g)).toEqual([`HTTP/1.1 ${status}`]);
  expect(answer.toLowerCase()).toContain('connection: close\r\n');
});

test('all spellings of chunked are accepted, and the next request follows', async () => {
  const { port } = await startWeb({ routes });
  const text = post('Transfer-Encoding: Chunked \r\n', CHUNKS).replace('/body', '/body?x') + NEXT;
  const answer = await rawRequest(port, [text], { until: /OK$/ });
  expect(answer).toMatch(/200 OK[^]*body: abc[^]*200 OK[^]*OK$/);
});
