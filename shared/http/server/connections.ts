/**
 * All connections of a process, and what they may hold together:
 *
 *     accepted ──admit()──▶ in the table ──▶ closed
 *
 * A sweep each second ends what waits for its client without progress, and the answers of the client that makes the
 * gateway hold most when all together hold too much. Nothing here is done for each request, except that a connection
 * counts the requests that wait in it.
 */
import type { Socket } from 'node:net';
import type { Connection, CutReason } from './connection.ts';
import { shedLoad } from './shed-load.ts';

/** Requests of all connections that wait for the answer to an earlier one, and streams of HTTP/2 (1.6 kB each). */
const MAX_WAITING = 2_048;
/** Number of waiting requests that a connection may always have. */
const ALWAYS_WAITING = 8;
/** Share of the connections that is closed at once when there are too many, because searching takes time. */
const EVICTED_SHARE = 0.01;
/** Idle for less than this, a connection is closed after all others: its request may be on its way. */
const YOUNG_MS = 1_000;
/** Time for which nothing is searched after nothing could be closed. */
const RETRY_MS = 100;
const SWEEP_MS = 1_000;
/** Time in a turn of the event loop for requests that waited, ms. */
const TURN_MS = 5;

export interface ConnectionLimits {
  readonly maxConnections: number;
  /** How long an idle connection is kept; announced to the client (`Keep-Alive: timeout=…`). */
  readonly keepAliveMs: number;
  /** How long the headers of a request may take to arrive completely. */
  readonly headersMs: number;
  /** How long a body may make no progress. */
  readonly bodyMs: number;
  /** How long an answer may make no progress. */
  readonly answerMs: number;
  /** Of all connections, besides the largest answer. */
  readonly maxBufferedBytes: number;
}

export class Connections {
  readonly limits: ConnectionLimits;
  readonly #all = new Map<Socket, Connection>();
  readonly #onCut: (reason: CutReason) => void;
  readonly #timer = setInterval(() => this.#sweep(performance.now()), SWEEP_MS).unref();
  readonly #later: (() => void)[] = [];
  #waiting = 0;
  #givenLater = 0;
  #fullUntilMs = 0;

  constructor(limits: ConnectionLimits, onCut: (reason: CutReason) => void) {
    this.limits = limits;
    this.#onCut = onCut;
  }

  get size(): number {
    return this.#all.size;
  }

  /** See takeWaiting(). */
  get waiting(): number {
    return this.#waiting;
  }

  /** Ends the sweep; connections stay as they are. */
  close(): void {
    clearInterval(this.#timer);
  }

  /** Whether there is room for one more connection, if need be after closing others that only wait for their clients. */
  hasRoom(): boolean {
    if (this.#all.size >= this.limits.maxConnections) this.#makeRoom(performance.now());
    if (this.#all.size < this.limits.maxConnections) return true;
    this.#onCut('refused');
    return false;
  }

  add(socket: Socket, connection: Connection): void {
    this.#all.set(socket, connection);
    socket.once('close', () => this.#all.delete(socket));
  }

  /** For a socket that another one has taken over. */
  forget(socket: Socket): void {
    this.#all.delete(socket);
  }

  get(socket: Socket): Connection | undefined {
    return this.#all.get(socket);
  }

  /** Ends those without a request so far. */
  closeFresh(): void {
    for (const [socket, { isFresh }] of this.#all) if (isFresh) socket.destroy();
  }

  /** Returns false, and takes nothing, if a connection that has `own` requests waiting may have no more of them. */
  takeWaiting(own: number): boolean {
    if (this.#waiting >= MAX_WAITING && own >= ALWAYS_WAITING) return false;
    this.#waiting++;
    return true;
  }

  giveWaiting(requests: number): void {
    this.#waiting -= requests;
  }

  /** For a connection that had too many: to make and to drop thousands takes time, so others may not do so at once. */
  giveWaitingLater(requests: number): void {
    this.#givenLater += requests;
  }

  /**
   * Calls it in a turn of its own, or with a few others: thousands of requests that clients sent at once would keep
   * everybody else waiting.
   */
  later(begin: () => void): void {
    if (this.#later.push(begin) === 1) setImmediate(this.#beginSome);
  }

  readonly #beginSome = (): void => {
    const endsMs = performance.now() + TURN_MS;
    let begun = 0;
    do this.#later[begun++]?.();
    while (begun < this.#later.length && performance.now() < endsMs);
    this.#later.splice(0, begun);
    if (this.#later.length > 0) setImmediate(this.#beginSome);
  };

  count(reason: CutReason): void {
    this.#onCut(reason);
  }

  #sweep(nowMs: number): void {
    this.giveWaiting(this.#givenLater);
    this.#givenLater = 0;
    for (const connection of this.#all.values()) connection.sweep(nowMs);
    shedLoad(this.#all.values(), this.limits.maxBufferedBytes);
  }

  /**
   * Closes some of those that wait for their clients, the longest first: idle ones if there are such, otherwise those
   * with a request or an answer that is not complete. A client with more than half of all connections loses its own
   * before others.
   */
  #makeRoom(nowMs: number): void {
    if (nowMs < this.#fullUntilMs) return;
    const counts = new Map<string, number>();
    for (const connection of this.#all.values()) {
      connection.sweep(nowMs);
      counts.set(connection.client, (counts.get(connection.client) ?? 0) + 1);
    }
    const rank = ({ client, wait, sinceMs }: Connection): number => {
      const byWait = wait !== 'request' ? 2 : nowMs - sinceMs > YOUNG_MS ? 0 : 4;
      return byWait + (2 * (counts.get(client) ?? 0) > this.#all.size ? 0 : 1);
    };
    const closable = [...this.#all]
      .filter(([, { wait }]) => wait !== 'gateway')
      .toSorted(([, a], [, b]) => rank(a) - rank(b) || a.sinceMs - b.sinceMs)
      .slice(0, Math.ceil(EVICTED_SHARE * this.limits.maxConnections));
    for (const [socket, connection] of closable) {
      connection.cut('evicted');
      this.#all.delete(socket);
    }
    if (closable.length === 0) this.#fullUntilMs = nowMs + RETRY_MS;
  }
}
