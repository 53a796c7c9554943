/**
 * Pipelining: a request that arrives on a connection before the answer to the previous one waits for that answer, which
 * RFC 9112, 9.3.2 requires of unsafe methods. Node would start it at once: a DELETE could overtake the push before it.
 */
import type { RequestListener, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** For HTTP/1.1 only: the streams of HTTP/2 are independent. */
export function answerInOrder(handler: RequestListener): RequestListener {
  const latest = new WeakMap<Socket, ServerResponse>();
  return (request, response) => {
    const { socket } = request;
    const previous = latest.get(socket);
    latest.set(socket, response);
    if (previous === undefined || previous.writableFinished) {
      handler(request, response);
      return;
    }
    previous.once('close', () => {
      // Without a connection nobody can be answered, so the request is dropped.
      if (!socket.destroyed) handler(request, response);
    });
  };
}
