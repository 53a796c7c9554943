/** An answer is given before the request's body was read whole: what becomes of the rest. */
import type { IncomingMessage } from 'node:http';
import { constants, type Http2ServerRequest } from 'node:http2';

/** Who goes on sending after this much is cut off; so is who sends nothing for so long. */
const MAX_DISCARDED_BYTES = 64 * 1024 * 1024;
const LINGER_MS = 5_000;

/**
 * To be called before the answer is sent. The rest is read and thrown away, because many a client reads the answer only when
 * it has sent everything: one that we close on loses it to a broken pipe (HTTP/1.1), one whose stream we stop reading waits
 * for ever (HTTP/2).
 */
export function leaveBody(request: IncomingMessage): void {
  // HTTP/2 calls an aborted request complete.
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

/** A client that wants the connection closed has it closed in our direction with the answer, in the other after its body. */
function closeAfter(request: IncomingMessage): void {
  const { socket } = request;
  // What Node calls with the answer sent.
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
  // Node's compatibility layer: the shape of HTTP/1.1, and the stream besides. Says that the answer was all (RFC 9113, 8.1).
  else (request as unknown as Http2ServerRequest).stream.close(constants.NGHTTP2_NO_ERROR);
}
