/**
 * One listening socket. Without TLS it speaks HTTP/1.1; with it, HTTP/1.1 and HTTP/2, as agreed in the handshake (ALPN):
 *
 *     socket ──TLS──▶ client certificate ──▶ h2: HTTP/2 engine        ──▶ handler
 *                                         └─ else: HTTP/1.1 engine    ──▶
 *
 * The HTTPS server listens and does all but HTTP/2, so that HTTP/1.1 is the same with TLS as without; sockets that speak
 * HTTP/2 are handed to a server that never listens itself.
 */
import { createServer as createHttp1, type RequestListener, type Server, type ServerOptions } from 'node:http';
import { createServer as createHttps } from 'node:https';
import { Server as SocketServer, type ListenOptions, type Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import type { Logger } from '../../logger.ts';
import { Http2Engine, type Http2Limits } from './http2-engine.ts';
import { inOrder } from './pipelining.ts';
import { clientFault, type TlsSettings } from '../web-config/tls-settings.ts';

/** Of an idle connection. */
export interface IdleTimes {
  /** Its client is told to send nothing on it after so long (`Keep-Alive: timeout=…`). */
  readonly toldMs: number;
  /** It is kept for so much longer: what a client sends at the last moment is not to meet a connection that we close. */
  readonly moreMs: number;
}

/** Above what load balancers keep (60 s and more), so that they close an idle connection, not we in the face of a request. */
const IDLE_TIMES: IdleTimes = { toldMs: 90_000, moreMs: 5_000 };
/** A request that has not arrived whole by then is given up. */
const REQUEST_TIMEOUT_MS = 120_000;
const HANDSHAKE_TIMEOUT_MS = 10_000;
/** The labels of a push stand in its URL. */
const MAX_HEADER_BYTES = 128 * 1024;
/** How often, while closing, connections are looked for that have become idle. */
const SWEEP_MS = 50;
/**
 * How long, once closing, a client that is connected may take to send a request. One on an idle connection may be on its way,
 * and its client could not tell whether it was taken; whoever is answered is told that it was the last one.
 */
const LAST_CALL_MS = 1_000;

const NOT_HTTP = 'HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n';

const options: ServerOptions = {
  requestTimeout: REQUEST_TIMEOUT_MS,
  maxHeaderSize: MAX_HEADER_BYTES,
};

const http2Limits: Http2Limits = {
  keepAliveMs: IDLE_TIMES.toldMs + IDLE_TIMES.moreMs,
  requestMs: REQUEST_TIMEOUT_MS,
  quietMs: 30_000,
  pingMs: 2_000,
};

export class Listener {
  readonly #server: Server;
  readonly #logger: Logger;
  #engine: Http2Engine | undefined;
  /** No request has come on them yet. Node does not count them as idle, and would wait for them for ever. */
  readonly #fresh = new Set<Socket>();
  /** By the client's address, the only thing they share with the sockets that come of them. */
  readonly #handshaking = new Map<string, Socket>();
  /** Idle for longer than their clients were told. */
  readonly #overdue = new WeakSet<Socket>();
  #tls: TlsSettings | undefined;
  #http2 = false;
  #isClosing = false;
  #closed: Promise<void> | undefined;

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
    const ordered = inOrder(handler);
    const firstTouch: RequestListener = (request, response) => {
      this.#fresh.delete(request.socket);
      this.#overdue.delete(request.socket);
      if (this.#isClosing && request.httpVersionMajor === 1) response.setHeader('Connection', 'close');
      ordered(request, response);
    };
    this.#server = tls === undefined ? this.#createHttp1(firstTouch) : this.#createHttps(tls, firstTouch, handler);
    // A client may end its side once the request is sent, and read the answer then: Node would hang up on it.
    Object.assign(this.#server, { httpAllowHalfOpen: true, keepAliveTimeout: idleTimes.toldMs });
    // With a listener, Node leaves it to that to end the connection.
    this.#server.on('timeout', (socket: Socket) => {
      if (this.#overdue.has(socket)) {
        socket.destroy();
        return;
      }
      this.#overdue.add(socket);
      socket.setTimeout(idleTimes.moreMs);
    });
  }

  /** Rejects when the address cannot be had. */
  async listen(at: ListenOptions | { readonly fd: number }): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(at, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
    this.#server.on('error', (error) => this.#logger.error({ err: error }, 'listening socket failed'));
  }

  get address(): ReturnType<Server['address']> {
    return this.#server.address();
  }

  /** For connections that come from now on. Whether there is TLS at all cannot be changed. */
  apply(tls: TlsSettings | undefined, http2: boolean): void {
    if (this.#tls === undefined || tls === undefined) return;
    this.#tls = tls;
    this.#http2 = http2;
    // Node looks at `requestCert` for each connection, yet has no method to change it.
    const server = this.#server as Server & { requestCert: boolean; setSecureContext(context: object): void };
    server.setSecureContext(tls.context);
    server.requestCert = asksForCertificate(tls);
  }

  /** Accepts no more connections, and ends those that are idle after a last call; resolves when all have ended. */
  async close(): Promise<void> {
    this.#closed ??= this.#close();
    await this.#closed;
  }

  async #close(): Promise<void> {
    // Closing resets connections that wait to be accepted. That is done once a turn of the event loop, and the second turn is
    // a short one: what it leaves waiting is what came within microseconds.
    await setImmediate();
    await setImmediate();
    const closed = new Promise<void>((resolve) => {
      // That of a plain socket: HTTP's own ends idle connections at once.
      SocketServer.prototype.close.call(this.#server, () => resolve());
    });
    this.#isClosing = true;
    this.#engine?.close();
    const lastCallMs = performance.now() + LAST_CALL_MS;
    const sweep = setInterval(() => {
      if (performance.now() < lastCallMs) return;
      // A request that was under way leaves one behind.
      this.#server.closeIdleConnections();
      for (const socket of [...this.#fresh, ...this.#handshaking.values()]) socket.destroy();
    }, SWEEP_MS);
    try {
      await closed;
    } finally {
      clearInterval(sweep);
      // Ends what HTTP does for its connections.
      this.#server.close();
    }
  }

  #createHttp1(handler: RequestListener): Server {
    const server = createHttp1(options, handler);
    server.on('connection', (socket) => this.#expectRequest(socket));
    return server;
  }

  #expectRequest(socket: Socket): void {
    this.#fresh.add(socket);
    socket.once('close', () => this.#fresh.delete(socket));
  }

  /** `handler` is for HTTP/1.1, `http2Handler` for HTTP/2. */
  #createHttps(tls: TlsSettings, handler: RequestListener, http2Handler: RequestListener): Server {
    const server = createHttps(
      {
        ...options,
        ...tls.context,
        requestCert: asksForCertificate(tls),
        // Nobody is refused by the handshake: who may come in is said below.
        rejectUnauthorized: false,
        handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
        ALPNCallback: ({ protocols }) =>
          [...(this.#http2 ? ['h2'] : []), 'http/1.1', 'http/1.0'].find((protocol) => protocols.includes(protocol)),
      },
      handler,
    );
    const engine = new Http2Engine(http2Handler, http2Limits, this.#logger);
    this.#engine = engine;
    const http1 = server.listeners('secureConnection');
    server.removeAllListeners('secureConnection');
    server.on('connection', (socket: Socket) => {
      const client = clientOf(socket);
      this.#handshaking.set(client, socket);
      socket.once('close', () => this.#handshaking.delete(client));
    });
    server.prependListener('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
      // In plain text, as Go does it, before Node closes.
      if (error.code === 'ERR_SSL_HTTP_REQUEST') this.#handshaking.get(clientOf(socket))?.write(NOT_HTTP);
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

/** The same for all clients of a Unix socket: of those that shake hands at once, the last is known. */
function clientOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
