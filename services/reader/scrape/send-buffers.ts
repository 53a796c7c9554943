import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { FastifyReply } from 'fastify';
import { asError } from '../../../shared/errors.ts';
import { holdBuffers } from '../../../shared/http/server/connection.ts';
import { Slices } from '../../../shared/async/time-slices.ts';

/**
 * Size from which corked buffers are passed to the kernel, in one call, and of the parts of larger buffers. TLS makes a
 * copy of what is passed to it, which stays until the client has read it.
 */
const FLUSH_BYTES = 256 * 1024;
/** Time after which sending yields to the event loop, ms. */
const SLICE_MS = 20;

/** Sends the buffers as the body, no faster than the client reads them. */
export async function sendBuffers(reply: FastifyReply, buffers: readonly Buffer[]): Promise<FastifyReply> {
  const { raw } = reply;
  // An HTTP/2 response cannot be corked.
  const corkable: Partial<Pick<ServerResponse, 'cork' | 'uncork'>> = raw;
  const headers = reply.getHeaders() as OutgoingHttpHeaders;
  reply.hijack();
  holdBuffers(raw, buffers);
  // A response of HTTP/2 has no `destroyed`; a closed one has no socket.
  let isClosed = raw.destroyed || !raw.socket;
  raw.once('close', () => (isClosed = true));
  raw.writeHead(reply.statusCode, headers);
  try {
    let bytes = 0;
    const slices = new Slices(SLICE_MS);
    corkable.cork?.();
    for (const part of inParts(buffers)) {
      // Not `writableNeedDrain`, which responses of HTTP/2 do not have in Node 20.
      const isFull = !raw.write(part);
      bytes += part.length;
      if (bytes < FLUSH_BYTES) continue;
      bytes = 0;
      corkable.uncork?.();
      if (isFull && !isClosed) await drained(raw);
      // A client that reads as fast as we write would block all other requests.
      if (slices.isOver) await slices.next();
      if (isClosed) return reply;
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

function* inParts(buffers: readonly Buffer[]): Generator<Buffer> {
  for (const buffer of buffers) {
    if (buffer.length <= FLUSH_BYTES) yield buffer;
    else for (let at = 0; at < buffer.length; at += FLUSH_BYTES) yield buffer.subarray(at, at + FLUSH_BYTES);
  }
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
