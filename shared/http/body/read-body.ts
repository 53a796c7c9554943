/**
 * Reads a request's body into memory, bounded twice: each body, and all bodies together that are under way.
 */
import type { IncomingMessage } from 'node:http';
import { asError, GatewayError } from '../../errors.ts';

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

/**
 * Reads the whole body, over HTTP/1.1 or HTTP/2. Its length stays taken from `inflight` until the caller gives it back. Throws
 * GatewayError `push_too_large`, `overloaded` or `body_incomplete`; the rest of the body is then unread, see discard-body.ts.
 */
export async function readBody(request: IncomingMessage, maxBytes: number, inflight: InflightBytes): Promise<Buffer> {
  const announced = Number(request.headers['content-length'] ?? 0);
  if (announced > maxBytes) throw tooLarge(maxBytes);
  let taken = 0;
  const take = (bytes: number): void => {
    if (!inflight.take(bytes)) throw new GatewayError('overloaded', 'too many pushes are under way; try again later');
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
      const onCut = (): void => settle(new GatewayError('body_incomplete', 'the body was cut short'));
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
    if (!request.complete || request.aborted) throw new GatewayError('body_incomplete', 'the body was cut short');
    const [only] = chunks;
    return chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks);
  } catch (thrown) {
    inflight.give(taken);
    throw thrown;
  }
}

function tooLarge(maxBytes: number): GatewayError {
  return new GatewayError('push_too_large', `the body is larger than ${maxBytes} bytes (--push.max-body-bytes)`);
}
