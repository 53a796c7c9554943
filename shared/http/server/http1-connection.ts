/**
 * A connection that speaks HTTP/1.1:
 *
 *     without a request ──take()──▶ in use ──answered──▶ idle ──▶ closed
 *                                      ▲───────take()──────┘
 *
 * Requests that arrive before the answer to the previous one wait for that answer, which RFC 9112, 9.3.2 requires of
 * unsafe methods. Node would start them at once: a DELETE could overtake the push before it.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
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

/** Requests that wait in a connection, above which nothing more is read from it; what was read may contain more. */
const MAX_READ_AHEAD = 16;
/** How long an idle connection is kept after the announced time, in case that a request is on its way. */
const GRACE_MS = 2_000;

/** Bytes of a socket that the kernel has not taken yet. Not documented; without it, progress shows once per write. */
interface Handle {
  readonly _handle?: { readonly writeQueueSize?: number } | null;
}

export class Http1Connection implements Connection {
  readonly client: string;
  readonly #socket: Socket;
  readonly #connections: Connections;
  readonly #watch = new StallWatch();
  /** Of the request that is answered now, or was answered last. */
  #request: IncomingMessage | undefined;
  #response: ServerResponse | undefined;
  /** Of the request that arrived last. */
  #latest: ServerResponse | undefined;
  #waiting = 0;
  #isOverdue = false;
  /** When a sweep first saw the response, and how much had been read when it first saw it answered. */
  #seen: { readonly response: ServerResponse | undefined; readonly sinceMs: number; idleBytes: number | undefined };

  constructor(socket: Socket, connections: Connections) {
    this.client = peerKey(socket);
    this.#socket = socket;
    this.#connections = connections;
    this.#seen = { response: undefined, sinceMs: this.#watch.sinceMs, idleBytes: socket.bytesRead };
    socket.once('close', () => {
      connections.giveWaiting(this.#waiting);
      this.#waiting = 0;
    });
  }

  /** Calls the handler once the previous request is answered. */
  take(request: IncomingMessage, response: ServerResponse, handler: RequestListener): void {
    const previous = this.#latest;
    this.#latest = response;
    this.#isOverdue = false;
    if (previous === undefined || previous.writableFinished) {
      this.#request = request;
      this.#response = response;
      handler(request, response);
      return;
    }
    if (!this.#connections.takeWaiting(this.#waiting)) {
      this.#connections.giveWaitingLater(this.#waiting);
      this.#waiting = 0;
      this.cut('pipelined');
      return;
    }
    if (++this.#waiting === MAX_READ_AHEAD) this.#stopReading();
    const next = (): void => {
      // Without a connection nobody can be answered, so the request is dropped.
      if (!this.#socket.writable) return;
      this.#connections.giveWaiting(1);
      if (--this.#waiting === 0) this.#readAgain();
      this.#request = request;
      this.#response = response;
      handler(request, response);
    };
    previous.once('close', () => this.#connections.later(next));
  }

  get isFresh(): boolean {
    return this.#latest === undefined;
  }

  get wait(): Wait {
    if (this.#request === undefined || this.#response === undefined) return 'request';
    // A socket is paused while the gateway does not read the body.
    if (!this.#request.complete) return this.#socket.isPaused() ? 'gateway' : 'body';
    if (this.#socket.writableLength > 0) return 'reader';
    return this.#response.writableFinished && this.#waiting === 0 ? 'request' : 'gateway';
  }

  get sinceMs(): number {
    return this.#watch.sinceMs;
  }

  *loads(): Generator<Load> {
    const socket = this.#socket;
    const unsent = this.#response === undefined || this.#response.writableFinished ? undefined : this.#response;
    const unread = this.#request?.readableLength ?? 0;
    const headers = this.wait === 'request' ? socket.bytesRead - (this.#seen.idleBytes ?? socket.bytesRead) : 0;
    const bytes = socket.writableLength + unread + headers;
    const buffers = unsent === undefined ? [] : heldBuffers(unsent);
    if (bytes === 0 && buffers.length === 0) return;
    yield { bytes, buffers, sinceMs: this.#seen.sinceMs, cut: (reason) => this.cut(reason) };
  }

  sweep(nowMs: number): void {
    const { wait } = this;
    if (this.#seen.response !== this.#response) {
      this.#seen = { response: this.#response, sinceMs: nowMs, idleBytes: undefined };
    }
    if (wait === 'request') this.#seen.idleBytes ??= this.#socket.bytesRead;
    const { bodyMs, answerMs } = this.#connections.limits;
    const stalledMs = this.#watch.see(wait, wait === 'body' ? this.#socket.bytesRead : this.#sentBytes(), nowMs);
    if (wait === 'body' && stalledMs >= bodyMs) this.#timeOut(bodyMs);
    else if (wait === 'reader' && stalledMs >= answerMs) this.cut('answer_timeout');
  }

  /** When the announced time is over, and again after GRACE_MS. */
  onIdle(): void {
    if (this.#isOverdue) {
      this.#socket.destroy();
      return;
    }
    this.#isOverdue = true;
    this.#socket.setTimeout(GRACE_MS);
  }

  cut(reason: CutReason): void {
    this.#connections.count(reason);
    this.#socket.destroy();
  }

  /** Node has no method that stops its parser, and resumes the socket for reasons of its own. */
  #stopReading(): void {
    this.#socket.off('resume', pause).on('resume', pause);
    this.#socket.pause();
  }

  #readAgain(): void {
    this.#socket.off('resume', pause);
    this.#socket.resume();
  }

  #sentBytes(): number {
    const { bytesWritten, writableLength, _handle } = this.#socket as Socket & Handle;
    return bytesWritten - writableLength - (_handle?.writeQueueSize ?? 0);
  }

  #timeOut(bodyMs: number): void {
    this.#connections.count('body_timeout');
    // The handler waits for the body, and does not answer before the connection is closed.
    if (this.#response?.headersSent === false) this.#socket.write(timeoutAnswer(bodyMs));
    this.#socket.destroySoon();
  }
}

function pause(this: Socket): void {
  this.pause();
}

function timeoutAnswer(bodyMs: number): string {
  const text = bodyTimeoutText(bodyMs);
  return [
    'HTTP/1.1 408 Request Timeout',
    'Content-Type: text/plain; charset=utf-8',
    'X-Content-Type-Options: nosniff',
    `Content-Length: ${text.length}`,
    'Connection: close',
    '',
    text,
  ].join('\r\n');
}
