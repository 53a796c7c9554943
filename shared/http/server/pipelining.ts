/**
 * Requests that come on a connection before the answer to the one before (pipelining): each waits for that answer, as RFC 9112, 9.3.2 wants it of all
 * that are not safe. Node would begin with them at once, and a DELETE could overtake the push it was sent behind.
 */
import type { RequestListener, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** For HTTP/1.1; the streams of HTTP/2 are independent. */
export function inOrder(handler: RequestListener): RequestListener {
  const latest = new WeakMap<Socket, ServerResponse>();
  return (request, response) => {
    const { socket } = request;
    const before = latest.get(socket);
    latest.set(socket, response);
    if (before === undefined || before.writableFinished) {
      handler(request, response);
      return;
    }
    before.once('close', () => {
      // Who is gone cannot be answered, and has not been promised anything.
      if (!socket.destroyed) handler(request, response);
    });
  };
}
