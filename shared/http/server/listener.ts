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
import {
  createServer as createHttp1,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http';
import { createServer as createHttps } from 'node:https';
import { Server as SocketServer, type ListenOptions, type Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import type { Logger } from '../../logger.ts';
import type { ConnectionLimits, Connections } from './connections.ts';
import { EXPECTATION, framingFault, refuse } from './framing.ts';
import { Http1Connection } from './http1-connection.ts';
import { Http2Engine, type Http2Limits } from './http2-engine.ts';
import { Incoming } from './incoming.ts';
import { answerParserFault } from '../reply/parser-fault.ts';
import { clientFault, type TlsSettings } from '../web-config/tls-settings.ts';

/** Maximum interval between searches for requests whose headers take too long. */
const HEADERS_CHECK_MS = 5_000;
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

const NOT_TLS =
  'HTTP/1.0 400 Bad Request\r\nX-Content-Type-Options: nosniff\r\n\r\nClient sent an HTTP request to an HTTPS server.\n';

const HTTP2_LIMITS: Http2Limits = { quietMs: 30_000, pingMs: 5_000 };

export class Listener {
  readonly #server: Server;
  readonly #connections: Connections;
  readonly #logger: Logger;
  #engine: Http2Engine | undefined;
  /** By the client's address, which is all that a raw socket and its TLS socket have in common. */
  readonly #handshaking = new Map<string, Socket>();
  #tls: TlsSettings | undefined;
  #http2 = false;
  #state: 'created' | 'listening' | 'draining' | 'closed' = 'created';
  #closing: Promise<void> | undefined;

  constructor(
    handler: RequestListener,
    tls: TlsSettings | undefined,
    http2: boolean,
    connections: Connections,
    logger: Logger,
  ) {
    this.#tls = tls;
    this.#http2 = http2;
    this.#connections = connections;
    this.#logger = logger;
    const http1Handler: RequestListener = (request, response) => {
      const fault = framingFault(request);
      if (fault !== undefined) return refuse(response, fault);
      const isLast = request instanceof Incoming && request.isLast === true;
      if (isLast || this.#state === 'draining') response.setHeader('Connection', 'close');
      return handler(request, response);
    };
    const take: RequestListener = (request, response) => {
      this.#connectionOf(request.socket)?.take(request, response, http1Handler);
    };
    this.#server =
      tls === undefined ? createHttp1(serverOptions(connections.limits), take) : this.#createHttps(tls, take, handler);
    this.#admit();
    // A client may end its side after the request and then read the answer; by default Node closes the connection.
    Object.assign(this.#server, { httpAllowHalfOpen: true, keepAliveTimeout: connections.limits.keepAliveMs });
    this.#server.on('clientError', answerParserFault);
    this.#server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) => {
      this.#connectionOf(request.socket)?.take(request, response, () => refuse(response, EXPECTATION));
    });
    // Since there is a listener, Node does not end the connection itself.
    this.#server.on('timeout', (socket: Socket) => this.#connectionOf(socket)?.onIdle());
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
      this.#connections.closeFresh();
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

  /** Connections for which there is no room do not reach Node's listeners. */
  #admit(): void {
    const server = this.#server;
    const accept = server.listeners('connection');
    server.removeAllListeners('connection');
    server.on('connection', (socket: Socket) => {
      if (!this.#connections.hasRoom()) {
        socket.destroy();
        return;
      }
      this.#connections.add(socket, new Http1Connection(socket, this.#connections));
      for (const listener of accept) Reflect.apply(listener, server, [socket]);
    });
  }

  #connectionOf(socket: Socket): Http1Connection | undefined {
    const connection = this.#connections.get(socket);
    return connection instanceof Http1Connection ? connection : undefined;
  }

  #createHttps(tls: TlsSettings, http1Handler: RequestListener, http2Handler: RequestListener): Server {
    const server = createHttps(
      {
        ...serverOptions(this.#connections.limits),
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
    const connections = this.#connections;
    const engine = new Http2Engine(http2Handler, connections, HTTP2_LIMITS, this.#logger);
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
      const raw = this.#handshaking.get(clientOf(socket));
      this.#handshaking.delete(clientOf(socket));
      if (raw !== undefined) connections.forget(raw);
      const fault = clientFault(socket, this.#tls ?? tls);
      if (fault !== undefined) {
        this.#logger.debug({ client: socket.remoteAddress, fault }, 'connection refused');
        socket.destroy();
      } else if (socket.alpnProtocol === 'h2') engine.take(socket);
      else {
        connections.add(socket, new Http1Connection(socket, connections));
        for (const listener of http1) Reflect.apply(listener, server, [socket]);
      }
    });
    return server;
  }
}

function serverOptions({ headersMs }: ConnectionLimits): ServerOptions {
  return {
    IncomingMessage: Incoming,
    // Also when NODE_OPTIONS asks for it: what a proxy and the gateway read differently could smuggle a request.
    insecureHTTPParser: false,
    headersTimeout: headersMs,
    // A body has no time limit as long as it makes progress, see http1-connection.ts.
    requestTimeout: 0,
    connectionsCheckingInterval: Math.min(HEADERS_CHECK_MS, headersMs),
    maxHeaderSize: MAX_HEADER_BYTES,
  };
}

function asksForCertificate({ clientAuth }: TlsSettings): boolean {
  return clientAuth !== 'NoClientCert';
}

/** The same for all clients of a Unix socket: of concurrent handshakes, only the last is tracked. */
function clientOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
