import type { Entry } from './bulk-load.ts';

/** A text in chunks, few of which differ between one version and the next. */
export interface TextChunks {
  /** Never written to again. */
  readonly buffers: readonly Buffer[];
  /** A number for each chunk, unique in this process: versions can be compared without reading their chunks. */
  readonly serials: readonly number[];
  /** Total size of the buffers. */
  readonly bytes: number;
  /** Identifies the text: the same object for all its versions. */
  readonly source: object;
}

/** A text that changes often and is read from time to time. */
export interface ReadableText {
  /** Does the work that the next reader would have to do, until `isOver()`; returns the number of steps left. */
  applyPending(isOver: () => boolean): number;
  /** The current text; the same object again if nothing has changed. Later changes do not affect the buffers. */
  chunks(): TextChunks;
  /** The entries of the current text, in order. Later changes do not affect them either. */
  entries(): Iterable<Entry>;
}

let latestSerial = 0;

export function nextSerial(): number {
  return ++latestSerial;
}

/** A text that has no other version. */
export function newChunks(buffers: readonly Buffer[]): TextChunks {
  return { buffers, serials: buffers.map(nextSerial), bytes: totalBytes(buffers), source: {} };
}

/** The same text with more buffers at its end. */
export function appendChunks(chunks: TextChunks, buffers: readonly Buffer[]): TextChunks {
  return {
    buffers: [...chunks.buffers, ...buffers],
    serials: [...chunks.serials, ...buffers.map(nextSerial)],
    bytes: chunks.bytes + totalBytes(buffers),
    source: chunks.source,
  };
}

function totalBytes(buffers: readonly Buffer[]): number {
  return buffers.reduce((sum, { length }) => sum + length, 0);
}
