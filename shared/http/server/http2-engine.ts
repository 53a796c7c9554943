/** HTTP/2 on sockets that another server accepted: its sessions, from handshake to end. */
import type { RequestListener } from 'node:http';
import { createServer, type Http2Server, type ServerHttp2Session } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import type { Logger } from '../../logger.ts';
import type { Connections } from './connections.ts';
import { Http2Connection } from './http2-connection.ts';

/** Concurrent streams of a session: the least that RFC 9113, 6.5.2 recommends. Node has no limit by default. */
const MAX_STREAMS = 100;
/**
 * Silence after which the client is pinged for the first time, ms. After an error of the protocol, Node may keep a
 * session in which nothing happens any more, not even an answer to a ping, without an event.
 */
const BRIEF_MS = 2_000;
/** Interval at which sessions are checked for floods. */
const FLOOD_CHECK_MS = 100;

export interface Http2Limits {
  /** Interval of silence after which the client is pinged again. */
  readonly quietMs: number;
  /** How long a client may take to answer a ping. */
  readonly pingMs: number;
}

export class Http2Engine {
  readonly #server: Http2Server;
  readonly #connections: Connections;
  readonly #limits: Http2Limits;
  readonly #sessions = new Map<ServerHttp2Session, TLSSocket>();
  #isClosing = false;
  #floodTimer: NodeJS.Timeout | undefined;

  constructor(handler: RequestListener, connections: Connections, limits: Http2Limits, logger: Logger) {
    this.#connections = connections;
    this.#limits = limits;
    // Without a table for headers, a block of some bytes cannot become many megabytes, which Node would all decode.
    const settings = { maxConcurrentStreams: MAX_STREAMS, headerTableSize: 0 };
    this.#server = createServer({ settings });
    this.#server.on('sessionError', (error) => logger.debug({ err: error }, 'HTTP/2 session failed'));
    this.#server.on('request', (request, response) => {
      // Node's compatibility layer: requests and responses have the shape of HTTP/1.1.
      const start = (): void => void Reflect.apply(handler, this.#server, [request, response]);
      const socket = request.stream.session && this.#sessions.get(request.stream.session as ServerHttp2Session);
      const connection = socket && this.#connections.get(socket);
      if (connection instanceof Http2Connection) connection.take(request, response, start);
    });
  }

  take(socket: TLSSocket): void {
    this.#connections.add(socket, new Http2Connection(socket, this.#connections));
    // Emitted synchronously by the `emit` below.
    this.#server.once('session', (session) => {
      this.#sessions.set(session, socket);
      this.#floodTimer ??= setInterval(() => this.#checkFloods(), FLOOD_CHECK_MS).unref();
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

  #checkFloods(): void {
    const nowMs = performance.now();
    for (const socket of this.#sessions.values()) {
      const connection = this.#connections.get(socket);
      if (connection instanceof Http2Connection) connection.checkOverhead(nowMs);
    }
    if (this.#sessions.size > 0) return;
    clearInterval(this.#floodTimer);
    this.#floodTimer = undefined;
  }

  /** Ends a session that is silent for too long, or whose client does not answer a ping. */
  #watch(session: ServerHttp2Session, socket: TLSSocket): void {
    const briefMs = Math.min(BRIEF_MS, this.#limits.quietMs);
    const { keepAliveMs } = this.#connections.limits;
    let stepMs = briefMs;
    let quietMs = 0;
    session.on('stream', () => {
      quietMs = 0;
      if (stepMs > briefMs) session.setTimeout((stepMs = briefMs));
    });
    session.on('timeout', () => {
      quietMs += stepMs;
      stepMs = briefMs;
      const connection = this.#connections.get(socket);
      if (connection instanceof Http2Connection && !connection.waitsForClient) {
        if (quietMs >= keepAliveMs) return this.#end(session, socket);
        this.#ping(session, socket);
        stepMs = this.#limits.quietMs;
      }
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
