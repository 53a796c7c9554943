/** Discards the rest of a body when a request is answered before all of it was read. */
import type { IncomingMessage } from 'node:http';
import { constants, type Http2ServerRequest, type ServerHttp2Session } from 'node:http2';
import type { Socket } from 'node:net';
import { ChunkBudget } from './body-chunks.ts';
import { endPace, pace } from './paced-reading.ts';

/** Discarded bytes of a connection after which it is ended. */
const MAX_DISCARDED_BYTES = 64 * 1024 * 1024;
/** Silence after which a client that has not sent everything is cut off. */
const LINGER_MS = 5_000;
/** Time after which it is cut off in any case. */
const MAX_LINGER_MS = 30_000;

const discarding = new WeakSet<IncomingMessage>();
/** By socket (HTTP/1.1) or session (HTTP/2). */
const discardedBytes = new WeakMap<object, number>();

/**
 * Call it before the answer is sent. The rest is read and discarded because many clients read the answer only after
 * they have sent everything: closing the connection makes them lose it to a broken pipe (HTTP/1.1), and a stream that
 * is no longer read makes them wait forever (HTTP/2).
 */
export function discardBody(request: IncomingMessage): void {
  // Also true of an aborted HTTP/2 request.
  if (request.complete || discarding.has(request)) return;
  discarding.add(request);
  const deadlineMs = performance.now() + MAX_LINGER_MS;
  const budget = new ChunkBudget();
  const connection = connectionOf(request);
  const timer = setTimeout(() => cutOff(request), LINGER_MS).unref();
  request.on('data', (chunk: Buffer) => {
    const bytes = (discardedBytes.get(connection) ?? 0) + chunk.length;
    discardedBytes.set(connection, bytes);
    timer.refresh();
    if (!budget.take(chunk.length) || performance.now() > deadlineMs) cutOff(request);
    if (bytes <= MAX_DISCARDED_BYTES) return pace(request);
    cutOff(request);
    if ('close' in connection) connection.close();
  });
  const stop = (): void => {
    clearTimeout(timer);
    endPace(request);
  };
  request.once('end', stop).once('close', stop);
  if (request.httpVersionMajor < 2) closeAfter(request);
  request.resume();
}

/** Discards the body of a request whose route has no use for it. */
export function discardUnused(request: IncomingMessage): void {
  if (mayHaveBody(request)) discardBody(request);
}

function mayHaveBody(request: IncomingMessage): boolean {
  if (request.httpVersionMajor >= 2) return !(request as unknown as Http2ServerRequest).stream.endAfterHeaders;
  const { headers } = request;
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/** For `Connection: close`: ends our direction with the answer, and the connection after the body. */
function closeAfter(request: IncomingMessage): void {
  const { socket } = request;
  // Node calls destroySoon() once the answer is sent.
  const destroySoon = socket.destroySoon.bind(socket);
  let isAnswered = false;
  socket.destroySoon = () => {
    isAnswered = true;
    socket.end();
  };
  request.once('end', () => {
    socket.destroySoon = destroySoon;
    if (isAnswered) destroySoon();
  });
}

function connectionOf(request: IncomingMessage): Socket | ServerHttp2Session {
  if (request.httpVersionMajor < 2) return request.socket;
  const { session } = (request as unknown as Http2ServerRequest).stream;
  return (session as ServerHttp2Session | undefined) ?? request.socket;
}

/** Ends a request that is not complete. */
export function cutOff(request: IncomingMessage): void {
  if (request.httpVersionMajor < 2) request.destroy();
  // NO_ERROR tells the client that the answer is complete (RFC 9113, 8.1).
  else (request as unknown as Http2ServerRequest).stream.close(constants.NGHTTP2_NO_ERROR);
}
