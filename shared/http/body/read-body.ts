/**
 * Reads a request's body into memory, bounded twice: each body, and all bodies together that are under way.
 */
import type { IncomingMessage } from 'node:http';
import { asError } from '../../errors.ts';

/** Bytes that requests hold at this moment. */
export class InflightBytes {
  readonly #max: number;
  #held = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get held(): number {
    return this.#held;
  }

  /** False when that would be too much; nothing is taken then. */
  take(bytes: number): boolean {
    if (this.#held + bytes > this.#max) return false;
    this.#held += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#held -= bytes;
  }
}

export type BodyFault = 'too_large' | 'overloaded' | 'aborted';

/** Thrown with what to do about it; `held` was given back already. */
export class BodyError extends Error {
  readonly fault: BodyFault;

  constructor(fault: BodyFault, message: string) {
    super(message);
    this.name = 'BodyError';
    this.fault = fault;
  }
}

/**
 * The whole body, of HTTP/1.1 and HTTP/2 alike. Its length stays taken from `inflight`: whoever called gives it back when
 * done. Throws BodyError; then the rest was not read, see leave-body.ts.
 */
export async function readBody(request: IncomingMessage, maxBytes: number, inflight: InflightBytes): Promise<Buffer> {
  const announced = Number(request.headers['content-length'] ?? 0);
  if (announced > maxBytes) throw tooLarge(maxBytes);
  let taken = 0;
  const take = (bytes: number): void => {
    if (!inflight.take(bytes)) throw new BodyError('overloaded', 'too many pushes are under way; try again later');
    taken += bytes;
  };
  try {
    take(announced);
    const chunks: Buffer[] = [];
    let length = 0;
    await new Promise<void>((resolve, reject) => {
      // Not destroyed when we stop early: the answer that says why has to go out on the same connection.
      const settle = (error?: Error): void => {
        request.off('data', onData).off('end', settle).off('error', onCut).off('close', onCut);
        if (error === undefined) resolve();
        else {
          request.pause();
          reject(error);
        }
      };
      const onCut = (): void => settle(new BodyError('aborted', 'the body was cut short'));
      const onData = (chunk: Buffer): void => {
        try {
          length += chunk.length;
          if (length > maxBytes) throw tooLarge(maxBytes);
          if (length > taken) take(length - taken);
          chunks.push(chunk);
        } catch (thrown) {
          settle(asError(thrown));
        }
      };
      // What happens to the rest is nobody's concern, but an error without a listener would be the process's.
      request.on('error', () => undefined);
      if (request.destroyed) onCut();
      else request.on('data', onData).once('end', settle).once('error', onCut).once('close', onCut);
    });
    // HTTP/2 calls an aborted request complete.
    if (!request.complete || request.aborted) throw new BodyError('aborted', 'the body was cut short');
    const [only] = chunks;
    return chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks);
  } catch (thrown) {
    inflight.give(taken);
    throw thrown;
  }
}

function tooLarge(maxBytes: number): BodyError {
  return new BodyError('too_large', `the body is larger than ${maxBytes} bytes (--push.max-body-bytes)`);
}
