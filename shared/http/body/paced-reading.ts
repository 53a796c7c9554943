/**
 * Keeps large bodies from filling a turn of the event loop: of one connection alone, Node reads up to 2 MiB in a turn.
 * Uploads that have delivered a chunk pause, and a few of them continue in each turn.
 */
import type { IncomingMessage } from 'node:http';

/** Uploads that continue in a turn. Each reads one or two chunks of 64 KiB, in some 0.1 ms. */
const UPLOADS_PER_TURN = 16;

/** In order of their chunks. */
const paused = new Set<IncomingMessage>();
let isScheduled = false;

/** Pauses the body until it is its turn. */
export function pace(request: IncomingMessage): void {
  request.pause();
  paused.add(request);
  schedule();
}

/** The body is not read any further. */
export function endPace(request: IncomingMessage): void {
  paused.delete(request);
}

function schedule(): void {
  if (isScheduled || paused.size === 0) return;
  isScheduled = true;
  setImmediate(() => {
    isScheduled = false;
    let left = UPLOADS_PER_TURN;
    for (const request of paused) {
      if (left-- === 0) break;
      paused.delete(request);
      request.resume();
    }
    schedule();
  });
}
