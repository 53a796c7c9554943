import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { FastifyReply } from 'fastify';
import { asError } from '../../../shared/errors.ts';
import { Slices } from '../../../shared/async/time-slices.ts';

/** Size from which corked buffers are passed to the kernel, in one call. */
const FLUSH_BYTES = 1024 * 1024;
/** Time after which sending yields to the event loop, ms. */
const SLICE_MS = 20;

/** Sends the buffers as the body, no faster than the client reads them. */
export async function sendBuffers(reply: FastifyReply, buffers: readonly Buffer[]): Promise<FastifyReply> {
  const { raw } = reply;
  // An HTTP/2 response cannot be corked.
  const corkable: Partial<Pick<ServerResponse, 'cork' | 'uncork'>> = raw;
  const headers = reply.getHeaders() as OutgoingHttpHeaders;
  reply.hijack();
  raw.writeHead(reply.statusCode, headers);
  try {
    let bytes = 0;
    const slices = new Slices(SLICE_MS);
    corkable.cork?.();
    for (const buffer of buffers) {
      raw.write(buffer);
      bytes += buffer.length;
      if (bytes < FLUSH_BYTES) continue;
      bytes = 0;
      corkable.uncork?.();
      if (raw.writableNeedDrain) await drained(raw);
      // A client that reads as fast as we write would block all other requests.
      if (slices.isOver) await slices.next();
      if (raw.destroyed) return reply;
      corkable.cork?.();
    }
    corkable.uncork?.();
    raw.end();
  } catch (thrown) {
    // The client must not mistake the truncated body for a complete one.
    raw.destroy(asError(thrown));
  }
  return reply;
}

/** Resolves when the response has drained or is closed. */
async function drained(raw: ServerResponse): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = (): void => {
      raw.off('drain', done).off('close', done);
      resolve();
    };
    raw.on('drain', done).on('close', done);
  });
}
