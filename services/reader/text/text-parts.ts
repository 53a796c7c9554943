/**
 * A text in parts, of which few are other ones from one version to the next.
 */
export interface TextParts {
  /** Never written again. */
  readonly buffers: readonly Buffer[];
  /** A number for each part that no other has, or had: which ones are new can be told without a look at them. */
  readonly serials: readonly number[];
  /** Of all buffers together. */
  readonly bytes: number;
  /** The same for all versions of a text. */
  readonly source: object;
}

/** A text that changes all the time, and is read now and then. */
export interface ReadableText {
  /** Does what the next reader would have to do until told to stop; returns how many steps are left. */
  tidy(isOver: () => boolean): number;
  /** What it says now. The same list again, if nothing has changed; the buffers stay as they are, whatever changes later. */
  parts(): TextParts;
}

let latest = 0;

export function nextSerial(): number {
  return ++latest;
}

/** Parts that nobody has seen before. */
export function newParts(buffers: readonly Buffer[]): TextParts {
  return { buffers, serials: buffers.map(nextSerial), bytes: bytesOf(buffers), source: {} };
}

/** The same text with more behind it. */
export function withMore(parts: TextParts, more: readonly Buffer[]): TextParts {
  return {
    buffers: [...parts.buffers, ...more],
    serials: [...parts.serials, ...more.map(nextSerial)],
    bytes: parts.bytes + bytesOf(more),
    source: parts.source,
  };
}

function bytesOf(buffers: readonly Buffer[]): number {
  return buffers.reduce((sum, { length }) => sum + length, 0);
}
