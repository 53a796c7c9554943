/** An answer is given before the request's body was read whole: what becomes of the rest. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { constants, type Http2ServerResponse } from 'node:http2';

/** More than this is not read only to be thrown away. */
const MAX_DISCARDED_BYTES = 64 * 1024 * 1024;

/**
 * To be called before the answer is sent. In HTTP/1.1 the rest is read and thrown away, because a client that still writes
 * when we close loses the answer to a reset; where there is too much of it, or no telling how much, the connection ends.
 * In HTTP/2 the stream is reset with NO_ERROR after the answer (RFC 9113, 8.1), which says just that.
 */
export function leaveBody(request: IncomingMessage, response: ServerResponse): void {
  if (request.complete) return;
  if (request.httpVersionMajor >= 2) {
    response.once('finish', () => streamOf(response)?.close(constants.NGHTTP2_NO_ERROR));
    return;
  }
  const announced = Number(request.headers['content-length'] ?? Infinity);
  if (announced > MAX_DISCARDED_BYTES) response.setHeader('Connection', 'close');
  request.resume();
}

/** Node's compatibility layer gives HTTP/2 responses the shape of HTTP/1.1, and their stream besides. */
function streamOf(response: ServerResponse): Http2ServerResponse['stream'] | undefined {
  return (response as unknown as Http2ServerResponse).stream;
}
