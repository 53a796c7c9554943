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
import type { Logger } from '../../logger.ts';

/** As Go has it; unlimited in Node. */
const MAX_STREAMS = 250;

export interface Http2Limits {
  /** A session on which nothing happens for so long is ended. */
  readonly keepAliveMs: number;
  /** A request that has not arrived whole by then is given up. */
  readonly requestMs: number;
  /** A client that is quiet for so long is asked whether it is still there. */
  readonly quietMs: number;
  /** How long it may take to answer. */
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
      this.#watch(session, socket);
      if (this.#isClosing) this.#end(session, socket);
    });
    this.#server.emit('connection', socket);
  }

  /** No new requests; sessions end when those under way are answered. */
  close(): void {
    this.#isClosing = true;
    for (const [session, socket] of this.#sessions) this.#end(session, socket);
  }

  /** HTTP/1.1 has it from its server. */
  #giveUpIfSlow(request: Http2ServerRequest): void {
    if (request.stream.endAfterHeaders) return;
    const timer = setTimeout(() => {
      if (!request.complete) request.stream.close(constants.NGHTTP2_CANCEL);
    }, this.#limits.requestMs);
    request.once('close', () => clearTimeout(timer));
  }

  /** Ends a session that is quiet for too long, or whose client is gone. */
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

  /** Lets the requests that are under way finish, unless there is nobody who waits for them. */
  #end(session: ServerHttp2Session, socket: TLSSocket): void {
    this.#ping(session, socket);
    session.close();
  }

  /**
   * Of a client that goes while it sends, Node often hears nothing, and then neither close() nor destroy() of the session end
   * it, only that of its socket (https://github.com/nodejs/node/issues/55804; seen with 20.20: one in ten uploads that curl
   * gives up on a 413).
   */
  #ping(session: ServerHttp2Session, socket: TLSSocket): void {
    // One that is closed already was pinged before.
    if (session.destroyed || session.closed) return;
    const timer = setTimeout(() => socket.destroy(), this.#limits.pingMs);
    // Called with an error when the session ends before.
    session.ping((error) => {
      clearTimeout(timer);
      if (error !== null) socket.destroy();
    });
  }
}
