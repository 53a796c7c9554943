/** An answer is given before the request's body was read whole: what becomes of the rest. */
import type { IncomingMessage } from 'node:http';
import { constants, type Http2ServerRequest } from 'node:http2';

/** Who goes on sending after this much is cut off; so is who sends nothing for so long. */
const MAX_DISCARDED_BYTES = 64 * 1024 * 1024;
const LINGER_MS = 5_000;

/**
 * To be called when the answer is sent. In HTTP/1.1 the rest is read and thrown away, because many a client reads the answer
 * only when it has sent everything, and loses it to a broken pipe when we close. In HTTP/2 the stream is reset with NO_ERROR
 * after the answer, which says just that: no more is wanted (RFC 9113, 8.1).
 */
export function leaveBody(request: IncomingMessage): void {
  if (request.httpVersionMajor >= 2) {
    // Node's compatibility layer: the shape of HTTP/1.1, and the stream besides.
    const { stream } = request as unknown as Http2ServerRequest;
    if (request.complete || stream.closed) return;
    stream.once('finish', () => stream.close(constants.NGHTTP2_NO_ERROR));
    // What was not read counts against what the client may send, on other streams too.
    request.resume();
    return;
  }
  if (request.complete) return;
  let discarded = 0;
  const timer = setTimeout(() => request.destroy(), LINGER_MS);
  request.on('data', (chunk: Buffer) => {
    discarded += chunk.length;
    timer.refresh();
    if (discarded > MAX_DISCARDED_BYTES) request.destroy();
  });
  for (const end of ['end', 'close']) request.once(end, () => clearTimeout(timer));
  request.resume();
}
