/** HTTP/2 on sockets that somebody else listens for: its sessions, from handshake to end. */
import type { RequestListener } from 'node:http';
import {
  constants,
  createServer,
  type Http2Server,
  type Http2ServerRequest,
  type ServerHttp2Session,
} from 'node:http2';
import type { TLSSocket } from 'node:tls';
import type { Logger } from '../logger.ts';

/** As Go has it; unlimited in Node. */
const MAX_STREAMS = 250;
/** How long a client may take to answer a ping. */
const PING_MS = 2_000;

export interface Http2Limits {
  /** A session on which nothing happens for so long is ended. */
  readonly keepAliveMs: number;
  /** A request that has not arrived whole by then is given up. */
  readonly requestMs: number;
}

export class Http2Engine {
  readonly #server: Http2Server;
  readonly #limits: Http2Limits;
  readonly #sessions = new Map<ServerHttp2Session, TLSSocket>();
  #isClosing = false;

  constructor(handler: RequestListener, limits: Http2Limits, logger: Logger) {
    this.#limits = limits;
    this.#server = createServer({ settings: { maxConcurrentStreams: MAX_STREAMS } });
    this.#server.on('sessionError', (error) => logger.debug({ err: error }, 'HTTP/2 session failed'));
    this.#server.on('request', (request, response) => {
      this.#giveUpIfSlow(request);
      // Node's compatibility layer: the same shape as in HTTP/1.1.
      Reflect.apply(handler, this.#server, [request, response]);
    });
  }

  take(socket: TLSSocket): void {
    // Emitted before the next line but one.
    this.#server.once('session', (session) => {
      this.#sessions.set(session, socket);
      session.once('close', () => this.#sessions.delete(session));
      session.setTimeout(this.#limits.keepAliveMs, () => end(session, socket));
      if (this.#isClosing) end(session, socket);
    });
    this.#server.emit('connection', socket);
  }

  /** No new requests; sessions end when those under way are answered. */
  close(): void {
    this.#isClosing = true;
    for (const [session, socket] of this.#sessions) end(session, socket);
  }

  /** HTTP/1.1 has it from its server. */
  #giveUpIfSlow(request: Http2ServerRequest): void {
    if (request.stream.endAfterHeaders) return;
    const timer = setTimeout(() => {
      if (!request.complete) request.stream.close(constants.NGHTTP2_CANCEL);
    }, this.#limits.requestMs);
    request.once('close', () => clearTimeout(timer));
  }
}

/**
 * Lets the requests that are under way finish, unless there is nobody any more: of a client that goes while it sends, Node
 * now and then hears nothing, and neither close() nor destroy() of the session end it, only that of its socket
 * (https://github.com/nodejs/node/issues/55804; seen with 20.20).
 */
function end(session: ServerHttp2Session, socket: TLSSocket): void {
  if (session.destroyed) return;
  const timer = setTimeout(() => socket.destroy(), PING_MS);
  const hear = (error: Error | null): void => {
    clearTimeout(timer);
    if (error !== null) socket.destroy();
  };
  session.once('close', () => clearTimeout(timer));
  session.ping(hear);
  session.close();
}
