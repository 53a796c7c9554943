/**
 * A connection that speaks HTTP/2. Its streams are independent of each other; each is watched for progress like a
 * connection that speaks HTTP/1.1.
 */
import { constants, type Http2ServerRequest, type Http2ServerResponse, type ServerHttp2Stream } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import { peerKey } from '../gate/client-address.ts';
import {
  bodyTimeoutText,
  heldBuffers,
  StallWatch,
  type Connection,
  type CutReason,
  type Load,
  type Wait,
} from './connection.ts';
import type { Connections } from './connections.ts';

const { NGHTTP2_CANCEL, NGHTTP2_NO_ERROR, NGHTTP2_REFUSED_STREAM } = constants;

/** Streams of a session that may be reset or refused before it is ended: each takes as long as one that is answered. */
const MAX_WASTED = 200;
/** More of them in each second. */
const WASTED_PER_SWEEP = 30;
/**
 * Bytes that are no body: frames of control, and headers, of which each stream that begins may have some. More are the
 * work of a client that floods: they keep the gateway busy, and Node has no limit.
 */
const OVERHEAD_BYTES = 256 * 1024;
const OVERHEAD_BYTES_PER_MS = 256;
const STREAM_OVERHEAD_BYTES = 4 * 1024;
/** How long a session or a stream that was ended may keep the connection open. */
const LINGER_MS = 5_000;

export class Http2Connection implements Connection {
  readonly client: string;
  /** Ended by the engine. */
  readonly isFresh = false;
  readonly #socket: TLSSocket;
  readonly #connections: Connections;
  readonly #streams = new Set<Exchange>();
  #idleMs = performance.now();
  #endedMs: number | undefined;
  #wasted = 0;
  /** Bytes that may have arrived, without those that OVERHEAD_BYTES allows. */
  #expectedBytes = 0;
  #overheadMs = performance.now();

  constructor(socket: TLSSocket, connections: Connections) {
    this.client = peerKey(socket);
    this.#socket = socket;
    this.#connections = connections;
  }

  take(request: Http2ServerRequest, response: Http2ServerResponse, start: () => void): void {
    const { stream } = request;
    if (!this.#connections.takeWaiting(this.#streams.size)) {
      this.#connections.count('pipelined');
      this.#waste();
      // The client may send the request again.
      stream.close(NGHTTP2_REFUSED_STREAM);
      return;
    }
    this.#expectedBytes += STREAM_OVERHEAD_BYTES;
    this.#countBody(request);
    const exchange = new Exchange(request, response, this.#connections);
    this.#streams.add(exchange);
    stream.once('close', () => {
      this.#streams.delete(exchange);
      this.#connections.giveWaiting(1);
      this.#idleMs = performance.now();
      if (stream.rstCode !== NGHTTP2_NO_ERROR) this.#waste();
    });
    // Requests that are reset meanwhile are not begun.
    this.#connections.later(() => {
      if (!stream.closed) start();
    });
  }

  get wait(): Wait {
    const [first, ...others] = this.#streams;
    if (first === undefined) return 'request';
    return others.some(({ wait }) => wait === 'gateway') ? 'gateway' : first.wait;
  }

  get sinceMs(): number {
    return this.#streams.size === 0 ? this.#idleMs : Math.min(...[...this.#streams].map(({ sinceMs }) => sinceMs));
  }

  /** Whether a stream waits for its client; then the limits on progress apply. */
  get waitsForClient(): boolean {
    return [...this.#streams].some(({ wait }) => wait !== 'gateway');
  }

  *loads(): Generator<Load> {
    for (const exchange of this.#streams) if (exchange.bytes > 0 || exchange.buffers.length > 0) yield exchange;
  }

  sweep(nowMs: number): void {
    this.#wasted = Math.max(0, this.#wasted - WASTED_PER_SWEEP);
    if (this.#socket.writableEnded) this.#endedMs ??= nowMs;
    const ended = [this.#endedMs];
    for (const exchange of this.#streams) {
      exchange.sweep(nowMs);
      ended.push(exchange.endedMs);
    }
    // The client keeps it open, or Node does not close anything in it any more, after an error of the protocol.
    if (ended.some((endedMs = nowMs) => nowMs - endedMs >= LINGER_MS)) this.#socket.destroy();
  }

  /** Ends it if more arrived than requests can have. */
  checkOverhead(nowMs: number): void {
    const { bytesRead } = this.#socket;
    const floor = bytesRead - OVERHEAD_BYTES;
    // What was not used before is not saved for later.
    this.#expectedBytes = Math.min(this.#expectedBytes + OVERHEAD_BYTES_PER_MS * (nowMs - this.#overheadMs), bytesRead);
    this.#overheadMs = nowMs;
    if (this.#expectedBytes < floor && !this.#socket.destroyed) this.cut('overhead');
  }

  /** Node passes each chunk of a body to `push`; a listener for `data` would make it flow. */
  #countBody(request: Http2ServerRequest): void {
    const push = request.push.bind(request);
    request.push = (chunk: Buffer | null, encoding) => {
      this.#expectedBytes += chunk?.length ?? 0;
      return push(chunk, encoding);
    };
  }

  #waste(): void {
    if (++this.#wasted > MAX_WASTED && !this.#socket.destroyed) this.cut('reset');
  }

  cut(reason: CutReason): void {
    this.#connections.count(reason);
    this.#socket.destroy();
  }
}

/** A stream with its request and its answer. */
class Exchange implements Load {
  /** When a sweep first saw it ended. */
  endedMs: number | undefined;
  readonly #request: Http2ServerRequest;
  readonly #response: Http2ServerResponse;
  readonly #stream: ServerHttp2Stream;
  readonly #connections: Connections;
  readonly #watch = new StallWatch();
  #drains = 0;

  constructor(request: Http2ServerRequest, response: Http2ServerResponse, connections: Connections) {
    this.#request = request;
    this.#response = response;
    this.#stream = request.stream;
    this.#connections = connections;
    this.#stream.on('drain', () => this.#drains++);
  }

  get wait(): Wait {
    const { remoteClose, localWindowSize } = this.#stream.state;
    // The window is full while the gateway does not read the body.
    if (remoteClose === 0) return localWindowSize === 0 ? 'gateway' : 'body';
    return this.#stream.bufferSize > 0 ? 'reader' : 'gateway';
  }

  get sinceMs(): number {
    return this.#watch.sinceMs;
  }

  get bytes(): number {
    return this.#stream.bufferSize + this.#stream.readableLength + this.#request.readableLength;
  }

  get buffers(): readonly Buffer[] {
    return heldBuffers(this.#response);
  }

  sweep(nowMs: number): void {
    if (this.#stream.closed) {
      this.endedMs ??= nowMs;
      return;
    }
    const { wait } = this;
    const { bodyMs, answerMs } = this.#connections.limits;
    // Of the writes that are not complete, only the sum is known, and it can be the same after a drain.
    // Every byte that arrives changes the window.
    const mark =
      wait === 'body' ? (this.#stream.state.localWindowSize ?? 0) : this.#drains - this.#stream.bufferSize / 2 ** 32;
    const stalledMs = this.#watch.see(wait, mark, nowMs);
    if (wait === 'body' && stalledMs >= bodyMs) this.#timeOut(bodyMs);
    else if (wait === 'reader' && stalledMs >= answerMs) this.cut('answer_timeout');
  }

  cut(reason: CutReason): void {
    this.#connections.count(reason);
    this.#stream.close(NGHTTP2_CANCEL);
  }

  #timeOut(bodyMs: number): void {
    const stream = this.#stream;
    if (stream.headersSent) {
      // NO_ERROR tells the client that the answer is complete (RFC 9113, 8.1).
      stream.close(stream.writableFinished ? NGHTTP2_NO_ERROR : NGHTTP2_CANCEL);
      return;
    }
    this.#connections.count('body_timeout');
    // The handler waits for the body, and does not answer before the stream is closed.
    stream.respond({
      ':status': 408,
      'content-type': 'text/plain; charset=utf-8',
      'x-content-type-options': 'nosniff',
    });
    stream.end(bodyTimeoutText(bodyMs), () => stream.close(NGHTTP2_NO_ERROR));
  }
}
