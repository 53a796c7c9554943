/**
 * The answer to bytes that Node's parser refuses, and that therefore never become a request. It is Node's own, with the
 * header that every answer has, and it never takes the place of another:
 *
 *     nothing in flight                              answered
 *     behind a request that is not answered yet      answered after it
 *     in the body of a request, not answered yet     answered instead of it
 *     in the body of a request that is answered      not answered
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

const STATUS: Readonly<Partial<Record<string, string>>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: '413 Payload Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
};

/** What Node notes on a connection: the answer whose turn it is, and the message whose body is being parsed. */
interface Noted extends Socket {
  readonly _httpMessage?: ServerResponse | null;
  readonly parser?: { readonly incoming: IncomingMessage | null } | null;
}

/** As long as Go's: what a client still sends then would make its system drop answers that it has not read yet. */
const LINGER_MS = 500;

/** Bytes that arrive on them later are refused again. */
const refused = new WeakSet<Duplex>();

/** For the event `clientError`. */
export function answerParserFault(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (refused.has(socket)) return;
  if (!isOfParser(error)) {
    // A handshake of TLS that failed. If it ended after all, a session of HTTP/2 would begin on a socket with an answer
    // in it, and end the process (https://github.com/nodejs/node/issues/47963).
    socket.destroy();
    return;
  }
  refused.add(socket);
  answer(error, socket as Noted);
}

function isOfParser({ code = '' }: NodeJS.ErrnoException): boolean {
  return code.startsWith('HPE_') || code.startsWith('ERR_HTTP_');
}

function answer(error: NodeJS.ErrnoException, socket: Noted): void {
  const { _httpMessage: current, parser } = socket;
  if (current?.req.complete === true && socket.writable) {
    current.once('close', () => answer(error, socket));
    return;
  }
  const isAnswered = current ? current.headersSent : parser?.incoming?.complete === false;
  const status = STATUS[error.code ?? ''] ?? '400 Bad Request';
  if (socket.writable && !isAnswered)
    socket.write(`HTTP/1.1 ${status}\r\nConnection: close\r\nX-Content-Type-Options: nosniff\r\n\r\n`);
  socket.end();
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once('close', () => clearTimeout(timer));
}
