/** Discards the rest of a body when a request is answered before all of it was read. */
import type { IncomingMessage } from 'node:http';
import { constants, type Http2ServerRequest } from 'node:http2';

/** Bytes after which a client that still sends is cut off. */
const MAX_DISCARDED_BYTES = 64 * 1024 * 1024;
/** Silence after which a client that has not sent everything is cut off. */
const LINGER_MS = 5_000;

/**
 * Call it before the answer is sent. The rest is read and discarded because many clients read the answer only after
 * they have sent everything: closing the connection makes them lose it to a broken pipe (HTTP/1.1), and a stream that
 * is no longer read makes them wait forever (HTTP/2).
 */
export function discardBody(request: IncomingMessage): void {
  // Also true of an aborted HTTP/2 request.
  if (request.complete) return;
  let discarded = 0;
  const timer = setTimeout(() => cutOff(request), LINGER_MS).unref();
  request.on('data', (chunk: Buffer) => {
    discarded += chunk.length;
    timer.refresh();
    if (discarded > MAX_DISCARDED_BYTES) cutOff(request);
  });
  for (const end of ['end', 'close']) request.once(end, () => clearTimeout(timer));
  if (request.httpVersionMajor < 2) closeAfter(request);
  request.resume();
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

function cutOff(request: IncomingMessage): void {
  if (request.httpVersionMajor < 2) request.destroy();
  // NO_ERROR tells the client that the answer is complete (RFC 9113, 8.1).
  else (request as unknown as Http2ServerRequest).stream.close(constants.NGHTTP2_NO_ERROR);
}
