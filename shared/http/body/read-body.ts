/** Reads the body of a request into memory, with a limit on its size and on all bodies in flight together. */
import type { IncomingMessage } from 'node:http';
import { asError, GatewayError } from '../../errors.ts';
import { BodyChunks, ManyChunksError } from './body-chunks.ts';
import { cutOff } from './discard-body.ts';
import type { Hold } from './inflight-bytes.ts';
import { endPace, pace } from './paced-reading.ts';

/** What is read of a body without a pause. */
const UNPACED_BYTES = 128 * 1024;

/**
 * Reads the whole body, over HTTP/1.1 or HTTP/2, as the chunks in which it came. `hold` grows with what arrives, and
 * gives way until it is complete. Throws `push_too_large`, `overloaded`, `request_invalid` or `body_incomplete`; the
 * rest of the body is then unread, see discard-body.ts.
 */
export async function readBody(request: IncomingMessage, maxBytes: number, hold: Hold): Promise<readonly Buffer[]> {
  // NaN if the length is not announced.
  const announcedBytes = Number(request.headers['content-length']);
  if (announcedBytes > maxBytes) throw tooLarge(maxBytes);
  const chunks = new BodyChunks();
  await new Promise<void>((resolve, reject) => {
    // Stopping early does not destroy the request: the answer goes out on the same connection.
    const finish = (error?: Error): void => {
      request.off('data', onData).off('end', finish).off('error', onCut).off('close', onCut);
      hold.keep();
      endPace(request);
      if (error === undefined) resolve();
      else {
        request.pause();
        reject(error);
      }
    };
    const onCut = (): void => finish(new GatewayError('body_incomplete', 'the body was cut short'));
    const onData = (chunk: Buffer): void => {
      try {
        chunks.add(chunk);
        if (chunks.length > maxBytes) throw tooLarge(maxBytes);
        hold.resize(chunks.memory);
        if (chunks.length === announcedBytes) return;
        if (hold.evict === undefined) hold.giveWay(finish);
        if (chunks.length > UNPACED_BYTES) pace(request);
      } catch (thrown) {
        finish(asError(thrown));
        if (thrown instanceof ManyChunksError) cutOff(request);
      }
    };
    // A later error does not matter, but without a listener it would end the process.
    request.on('error', ignore);
    if (request.destroyed) onCut();
    else request.on('data', onData).once('end', finish).once('error', onCut).once('close', onCut);
  });
  // An aborted HTTP/2 request is `complete` as well.
  if (!request.complete || request.aborted) throw new GatewayError('body_incomplete', 'the body was cut short');
  return chunks.finish();
}

/** No closure, which would keep the chunks in memory as long as the request. */
function ignore(): void {}

function tooLarge(maxBytes: number): GatewayError {
  return new GatewayError('push_too_large', `the body is larger than ${maxBytes} bytes (--push.max-body-bytes)`);
}
