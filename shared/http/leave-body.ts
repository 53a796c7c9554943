/** An answer is given before the request's body was read whole: what becomes of the rest. */
import type { IncomingMessage } from 'node:http';
import { constants, type Http2ServerRequest } from 'node:http2';

/** Who goes on sending after this much is cut off; so is who sends nothing for so long. */
const MAX_DISCARDED_BYTES = 64 * 1024 * 1024;
const LINGER_MS = 5_000;

/**
 * To be called when the answer is sent. The rest is read and thrown away, because many a client reads the answer only when
 * it has sent everything: one that we close on loses it to a broken pipe (HTTP/1.1), one whose stream we stop reading waits
 * for ever (HTTP/2).
 */
export function leaveBody(request: IncomingMessage): void {
  // HTTP/2 calls an aborted request complete.
  if (request.complete) return;
  let discarded = 0;
  const timer = setTimeout(() => cutOff(request), LINGER_MS);
  request.on('data', (chunk: Buffer) => {
    discarded += chunk.length;
    timer.refresh();
    if (discarded > MAX_DISCARDED_BYTES) cutOff(request);
  });
  for (const end of ['end', 'close']) request.once(end, () => clearTimeout(timer));
  request.resume();
}

function cutOff(request: IncomingMessage): void {
  if (request.httpVersionMajor < 2) request.destroy();
  // Node's compatibility layer: the shape of HTTP/1.1, and the stream besides. Says that the answer was all (RFC 9113, 8.1).
  else (request as unknown as Http2ServerRequest).stream.close(constants.NGHTTP2_NO_ERROR);
}
