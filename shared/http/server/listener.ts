/**
 * One listening socket. Without TLS it speaks HTTP/1.1; with TLS, HTTP/1.1 or HTTP/2, chosen in the handshake (ALPN):
 *
 *     socket ──TLS──▶ client certificate ──▶ h2: HTTP/2 engine        ──▶ handler
 *                                         └─ else: HTTP/1.1 engine    ──▶
 *
 *     created ──listen()──▶ listening ──close()──▶ draining ──▶ closed
 *
 * The HTTPS server listens and handles HTTP/1.1, so that HTTP/1.1 is the same with and without TLS; sockets that speak
 * HTTP/2 are handed to the HTTP/2 engine, which never listens itself.
 */
import { createServer as createHttp1, type RequestListener, type Server, type ServerOptions } from 'node:http';
import { createServer as createHttps } from 'node:https';
import { Server as SocketServer, type ListenOptions, type Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import type { Logger } from '../../logger.ts';
import { Http2Engine, type Http2Limits } from './http2-engine.ts';
import { answerInOrder } from './pipelining.ts';
import { clientFault, type TlsSettings } from '../web-config/tls-settings.ts';

/** How long an idle connection is kept. */
interface IdleTimes {
  /** Announced to the client (`Keep-Alive: timeout=…`). */
  readonly announcedMs: number;
  /** Added to that, so that a request sent at the last moment does not meet a connection that is being closed. */
  readonly graceMs: number;
}

/** More than the 60 s of most load balancers, so that they close an idle connection first. */
const IDLE_TIMES: IdleTimes = { announcedMs: 90_000, graceMs: 5_000 };
/** How long a request may take to arrive completely. */
const REQUEST_TIMEOUT_MS = 120_000;
const HANDSHAKE_TIMEOUT_MS = 10_000;
/** Includes the URL, which holds the grouping key. */
const MAX_HEADER_BYTES = 128 * 1024;
/** Interval between searches for idle connections while draining. */
const SWEEP_MS = 50;
/**
 * How long connected clients may still send a request while draining. A request on an idle connection may be on its
 * way, and its client could not know whether it was processed. The answer carries `Connection: close`.
 */
const LAST_CALL_MS = 1_000;

const NOT_TLS = 'HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n';

const SERVER_OPTIONS: ServerOptions = {
  requestTimeout: REQUEST_TIMEOUT_MS,
  maxHeaderSize: MAX_HEADER_BYTES,
};

const HTTP2_LIMITS: Http2Limits = {
  keepAliveMs: IDLE_TIMES.announcedMs + IDLE_TIMES.graceMs,
  requestMs: REQUEST_TIMEOUT_MS,
  quietMs: 30_000,
  pingMs: 2_000,
};

export class Listener {
  readonly #server: Server;
  readonly #logger: Logger;
  #engine: Http2Engine | undefined;
  /** Connections without a request so far. Node does not count them as idle and would wait for them forever. */
  readonly #fresh = new Set<Socket>();
  /** By the client's address, which is all that a raw socket and its TLS socket have in common. */
  readonly #handshaking = new Map<string, Socket>();
  /** Idle for longer than announced. */
  readonly #overdue = new WeakSet<Socket>();
  #tls: TlsSettings | undefined;
  #http2 = false;
  #state: 'created' | 'listening' | 'draining' | 'closed' = 'created';
  #closing: Promise<void> | undefined;

  constructor(
    handler: RequestListener,
    tls: TlsSettings | undefined,
    http2: boolean,
    logger: Logger,
    idleTimes: IdleTimes = IDLE_TIMES,
  ) {
    this.#tls = tls;
    this.#http2 = http2;
    this.#logger = logger;
    const ordered = answerInOrder(handler);
    const http1Handler: RequestListener = (request, response) => {
      this.#fresh.delete(request.socket);
      this.#overdue.delete(request.socket);
      if (this.#state === 'draining' && request.httpVersionMajor === 1) response.setHeader('Connection', 'close');
      ordered(request, response);
    };
    this.#server = tls === undefined ? this.#createHttp1(http1Handler) : this.#createHttps(tls, http1Handler, handler);
    // A client may end its side after the request and then read the answer; by default Node closes the connection.
    Object.assign(this.#server, { httpAllowHalfOpen: true, keepAliveTimeout: idleTimes.announcedMs });
    // Since there is a listener, Node does not end the connection itself.
    this.#server.on('timeout', (socket: Socket) => {
      if (this.#overdue.has(socket)) {
        socket.destroy();
        return;
      }
      this.#overdue.add(socket);
      socket.setTimeout(idleTimes.graceMs);
    });
  }

  /** Rejects when the address cannot be opened. */
  async listen(at: ListenOptions | { readonly fd: number }): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(at, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
    this.#server.on('error', (error) => this.#logger.error({ err: error }, 'listening socket failed'));
    if (this.#state === 'created') this.#state = 'listening';
  }

  get address(): ReturnType<Server['address']> {
    return this.#server.address();
  }

  /** Applies to new connections. TLS itself cannot be switched on or off. */
  apply(tls: TlsSettings | undefined, http2: boolean): void {
    if (this.#tls === undefined || tls === undefined) return;
    this.#tls = tls;
    this.#http2 = http2;
    // Node reads `requestCert` for each connection, but has no method to change it.
    const server = this.#server as Server & { requestCert: boolean; setSecureContext(context: object): void };
    server.setSecureContext(tls.context);
    server.requestCert = asksForCertificate(tls);
  }

  /** Accepts no new connections; ends those that are idle after LAST_CALL_MS. Resolves when all have ended. */
  async close(): Promise<void> {
    this.#closing ??= this.#close();
    await this.#closing;
  }

  async #close(): Promise<void> {
    // Closing resets connections that wait to be accepted. They are accepted once per turn of the event loop; after two
    // turns, the second a short one, only those wait that arrived within microseconds.
    await setImmediate();
    await setImmediate();
    const closed = new Promise<void>((resolve) => {
      // The method of a plain socket server: that of the HTTP server ends idle connections at once.
      SocketServer.prototype.close.call(this.#server, () => resolve());
    });
    this.#state = 'draining';
    this.#engine?.close();
    const lastCallMs = performance.now() + LAST_CALL_MS;
    const sweep = setInterval(() => {
      if (performance.now() < lastCallMs) return;
      // Requests in flight leave an idle connection behind.
      this.#server.closeIdleConnections();
      for (const socket of [...this.#fresh, ...this.#handshaking.values()]) socket.destroy();
    }, SWEEP_MS);
    try {
      await closed;
    } finally {
      clearInterval(sweep);
      // Stops the HTTP server's own timers.
      this.#server.close();
      this.#state = 'closed';
    }
  }

  #createHttp1(handler: RequestListener): Server {
    const server = createHttp1(SERVER_OPTIONS, handler);
    server.on('connection', (socket) => this.#expectRequest(socket));
    return server;
  }

  #expectRequest(socket: Socket): void {
    this.#fresh.add(socket);
    socket.once('close', () => this.#fresh.delete(socket));
  }

  #createHttps(tls: TlsSettings, http1Handler: RequestListener, http2Handler: RequestListener): Server {
    const server = createHttps(
      {
        ...SERVER_OPTIONS,
        ...tls.context,
        requestCert: asksForCertificate(tls),
        // The handshake refuses nobody; clientFault() decides below.
        rejectUnauthorized: false,
        handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
        ALPNCallback: ({ protocols }) =>
          [...(this.#http2 ? ['h2'] : []), 'http/1.1', 'http/1.0'].find((protocol) => protocols.includes(protocol)),
      },
      http1Handler,
    );
    const engine = new Http2Engine(http2Handler, HTTP2_LIMITS, this.#logger);
    this.#engine = engine;
    const http1 = server.listeners('secureConnection');
    server.removeAllListeners('secureConnection');
    server.on('connection', (socket: Socket) => {
      const client = clientOf(socket);
      this.#handshaking.set(client, socket);
      socket.once('close', () => this.#handshaking.delete(client));
    });
    server.prependListener('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
      // Answered in plain text, as Go does, before Node closes the connection.
      if (error.code === 'ERR_SSL_HTTP_REQUEST') this.#handshaking.get(clientOf(socket))?.write(NOT_TLS);
    });
    server.on('secureConnection', (socket: TLSSocket) => {
      this.#handshaking.delete(clientOf(socket));
      const fault = clientFault(socket, this.#tls ?? tls);
      if (fault !== undefined) {
        this.#logger.debug({ client: socket.remoteAddress, fault }, 'connection refused');
        socket.destroy();
      } else if (socket.alpnProtocol === 'h2') engine.take(socket);
      else {
        this.#expectRequest(socket);
        for (const listener of http1) Reflect.apply(listener, server, [socket]);
      }
    });
    return server;
  }
}

function asksForCertificate({ clientAuth }: TlsSettings): boolean {
  return clientAuth !== 'NoClientCert';
}

/** The same for all clients of a Unix socket: of concurrent handshakes, only the last is tracked. */
function clientOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
