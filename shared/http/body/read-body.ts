/** Reads the body of a request into memory, with two limits: on each body, and on all bodies in flight together. */
import type { IncomingMessage } from 'node:http';
import { asError, GatewayError } from '../../errors.ts';

/** Bytes of all bodies in flight. */
export class InflightBytes {
  readonly #max: number;
  #held = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get held(): number {
    return this.#held;
  }

  /** Takes nothing and returns false if the limit would be exceeded. */
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
 * Reads the whole body, over HTTP/1.1 or HTTP/2. Its length stays taken from `inflight` until the caller gives it back.
 * Throws `push_too_large`, `overloaded` or `body_incomplete`; the rest of the body is then unread, see discard-body.ts.
 */
export async function readBody(request: IncomingMessage, maxBytes: number, inflight: InflightBytes): Promise<Buffer> {
  const announcedBytes = Number(request.headers['content-length'] ?? 0);
  if (announcedBytes > maxBytes) throw tooLarge(maxBytes);
  let taken = 0;
  const take = (bytes: number): void => {
    if (!inflight.take(bytes)) throw new GatewayError('overloaded', 'too many pushes are in flight, try again later');
    taken += bytes;
  };
  try {
    take(announcedBytes);
    const chunks: Buffer[] = [];
    let length = 0;
    await new Promise<void>((resolve, reject) => {
      // Stopping early does not destroy the request: the answer goes out on the same connection.
      const finish = (error?: Error): void => {
        request.off('data', onData).off('end', finish).off('error', onCut).off('close', onCut);
        if (error === undefined) resolve();
        else {
          request.pause();
          reject(error);
        }
      };
      const onCut = (): void => finish(new GatewayError('body_incomplete', 'the body was cut short'));
      const onData = (chunk: Buffer): void => {
        try {
          length += chunk.length;
          if (length > maxBytes) throw tooLarge(maxBytes);
          if (length > taken) take(length - taken);
          chunks.push(chunk);
        } catch (thrown) {
          finish(asError(thrown));
        }
      };
      // A later error does not matter, but without a listener it would end the process.
      request.on('error', () => undefined);
      if (request.destroyed) onCut();
      else request.on('data', onData).once('end', finish).once('error', onCut).once('close', onCut);
    });
    // An aborted HTTP/2 request is `complete` as well.
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
