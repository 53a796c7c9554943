/**
 * What Node's parser accepts of HTTP/1.1 although a proxy might read it differently, or the gateway would misunderstand
 * it. The parser itself refuses a message with two lengths, or with a length and chunks, continued header lines, lines
 * that end with LF, and codings that do not end with `chunked`.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';

/** Header lines that Node's parser keeps of a request; it drops the others without a word. */
const MAX_HEADER_LINES = 1_000;

export interface Fault {
  readonly status: number;
  readonly line: string;
}

const MANY_HOSTS: Fault = { status: 400, line: 'too many Host headers: expected one' };
const MANY_HEADERS: Fault = { status: 431, line: `too many header lines: expected less than ${MAX_HEADER_LINES}` };
/** Its length would depend on who reads it (RFC 9112, 6.1). */
const OLD_CHUNKS: Fault = { status: 400, line: 'cannot use Transfer-Encoding in a request of HTTP/1.0' };
/** The status that Go has for it. */
const CODING: Fault = { status: 501, line: 'unsupported transfer encoding: expected chunked' };
/** What follows it is not HTTP. */
const TUNNEL: Fault = { status: 405, line: 'cannot use CONNECT: this is no proxy' };
/** For the event `checkExpectation`. */
export const EXPECTATION: Fault = { status: 417, line: 'unsupported Expect: expected 100-continue' };

export function framingFault({ method, rawHeaders, headers, httpVersionMinor }: IncomingMessage): Fault | undefined {
  if (method === 'CONNECT') return TUNNEL;
  if (rawHeaders.length >= 2 * MAX_HEADER_LINES) return MANY_HEADERS;
  let hosts = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i];
    if (name?.length === 4 && name.toLowerCase() === 'host') hosts++;
  }
  if (hosts > 1) return MANY_HOSTS;
  const coding = headers['transfer-encoding'];
  if (coding === undefined) return undefined;
  if (httpVersionMinor === 0) return OLD_CHUNKS;
  return coding.trim().toLowerCase() === 'chunked' ? undefined : CODING;
}

/** The connection is closed, because what follows may be a body. */
export function refuse(response: ServerResponse, { status, line }: Fault): void {
  const body = `${line}\n`;
  const headers = {
    'Content-Type': 'text/plain; charset=utf-8',
    'X-Content-Type-Options': 'nosniff',
    'Content-Length': body.length,
    Connection: 'close',
  };
  response.writeHead(status, headers).end(body);
}
