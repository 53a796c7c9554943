/** What the table of connections (connections.ts) knows of each of them, whatever it speaks. */
import type { ServerResponse } from 'node:http';
import { formatDuration } from '../../config/values/duration.ts';

/** Whom a connection waits for: its client, for a request, the rest of a body or to read an answer; or the gateway. */
export type Wait = 'request' | 'body' | 'reader' | 'gateway';

/** Why a connection, or a stream of HTTP/2, was not accepted, or ended before its time. */
export const CUT_REASONS = [
  'refused',
  'evicted',
  'pipelined',
  'reset',
  'overhead',
  'body_timeout',
  'answer_timeout',
  'buffered',
] as const;
export type CutReason = (typeof CUT_REASONS)[number];

export interface Connection {
  /** For limits per client. */
  readonly client: string;
  /** Whether there was no request yet. Node does not count such a connection as idle, and would wait for it forever. */
  readonly isFresh: boolean;
  readonly wait: Wait;
  /** When `wait` was first seen, or last seen to make progress, by `performance.now()`. */
  readonly sinceMs: number;
  /** What its requests and answers hold in memory. */
  loads(): Iterable<Load>;
  /** Ends what has made no progress for too long. */
  sweep(nowMs: number): void;
  cut(reason: CutReason): void;
}

/** A request and its answer, of which one is not complete. */
export interface Load {
  /** What its client sent and nobody has read yet, and what its client has not read yet. */
  readonly bytes: number;
  /** See holdBuffers(). */
  readonly buffers: readonly Buffer[];
  readonly sinceMs: number;
  /** Ends it. */
  cut(reason: CutReason): void;
}

/** Since when nothing has changed, as sweeps have seen it. */
export class StallWatch {
  wait: Wait = 'request';
  sinceMs = performance.now();
  #mark = 0;

  /** `mark` is a number that progress changes. Returns for how long nothing has changed, ms. */
  see(wait: Wait, mark: number, nowMs: number): number {
    if (wait !== this.wait || mark !== this.#mark) {
      this.wait = wait;
      this.#mark = mark;
      this.sinceMs = nowMs;
    }
    return nowMs - this.sinceMs;
  }
}

const held = new WeakMap<object, readonly Buffer[]>();
const NONE: readonly Buffer[] = [];

/** Notes the buffers that an answer keeps in memory until it is sent, also when nobody else needs them any more. */
export function holdBuffers(response: ServerResponse, buffers: readonly Buffer[]): void {
  held.set(response, buffers);
}

export function heldBuffers(response: object): readonly Buffer[] {
  return held.get(response) ?? NONE;
}

/** The body of a 408. */
export function bodyTimeoutText(bodyMs: number): string {
  return `cannot read the body: nothing arrived for ${formatDuration(bodyMs)} (--web.body-timeout)\n`;
}
