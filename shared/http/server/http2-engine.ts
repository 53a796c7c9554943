/** HTTP/2 on sockets that another server accepted: its sessions, from handshake to end. */
import type { RequestListener } from 'node:http';
import {
  constants,
  createServer,
  type Http2Server,
  type Http2ServerRequest,
  type ServerHttp2Session,
} from 'node:http2';
import type { TLSSocket } from 'node:tls';
import type { Logger } from '../../logger.ts';

/** Concurrent streams of a session: Go's limit. Node has none by default. */
const MAX_STREAMS = 250;

export interface Http2Limits {
  /** How long a session without requests is kept. */
  readonly keepAliveMs: number;
  /** How long a request may take to arrive completely. */
  readonly requestMs: number;
  /** Interval of silence after which the client is pinged. */
  readonly quietMs: number;
  /** How long a client may take to answer a ping. */
  readonly pingMs: number;
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
      this.#cancelIfSlow(request);
      // Node's compatibility layer: requests and responses have the shape of HTTP/1.1.
      Reflect.apply(handler, this.#server, [request, response]);
    });
  }

  take(socket: TLSSocket): void {
    // Emitted synchronously by the `emit` below.
    this.#server.once('session', (session) => {
      this.#sessions.set(session, socket);
      session.once('close', () => this.#sessions.delete(session));
      this.#watch(session, socket);
      if (this.#isClosing) this.#end(session, socket);
    });
    this.#server.emit('connection', socket);
  }

  /** Accepts no new requests; each session ends when its requests in flight are answered. */
  close(): void {
    this.#isClosing = true;
    for (const [session, socket] of this.#sessions) this.#end(session, socket);
  }

  /** Node's requestTimeout covers HTTP/1.1 only. */
  #cancelIfSlow(request: Http2ServerRequest): void {
    if (request.stream.endAfterHeaders) return;
    const timer = setTimeout(() => {
      if (!request.complete) request.stream.close(constants.NGHTTP2_CANCEL);
    }, this.#limits.requestMs);
    request.once('close', () => clearTimeout(timer));
  }

  /** Ends a session that is silent for too long, or whose client does not answer a ping. */
  #watch(session: ServerHttp2Session, socket: TLSSocket): void {
    const { quietMs: stepMs, keepAliveMs } = this.#limits;
    let quietMs = 0;
    session.on('stream', () => {
      quietMs = 0;
    });
    session.on('timeout', () => {
      quietMs += stepMs;
      if (quietMs >= keepAliveMs) return this.#end(session, socket);
      this.#ping(session, socket);
      session.setTimeout(stepMs);
    });
    session.setTimeout(stepMs);
  }

  /** Lets the requests in flight finish, unless the client is gone. */
  #end(session: ServerHttp2Session, socket: TLSSocket): void {
    this.#ping(session, socket);
    session.close();
  }

  /**
   * Destroys the socket of a client that does not answer. When a client goes away while it sends, Node often does not
   * notice, and neither close() nor destroy() of the session ends it, only destroy() of its socket
   * (https://github.com/nodejs/node/issues/55804; seen with 20.20: one in ten uploads that curl abandons on a 413).
   */
  #ping(session: ServerHttp2Session, socket: TLSSocket): void {
    // A closed session was pinged when it was closed.
    if (session.destroyed || session.closed) return;
    const timer = setTimeout(() => socket.destroy(), this.#limits.pingMs);
    // Also called, with an error, when the session ends first.
    session.ping((error) => {
      clearTimeout(timer);
      if (error !== null) socket.destroy();
    });
  }
}
