import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { FastifyReply } from 'fastify';
import { asError } from '../../../shared/errors.ts';
import { Slices } from '../../../shared/async/time-slices.ts';

/** Written together, so that the kernel gets them in one call. */
const TOGETHER_BYTES = 1024 * 1024;

/** Sends the buffers as the body, no faster than the client reads. */
export async function sendBuffers(reply: FastifyReply, buffers: readonly Buffer[]): Promise<FastifyReply> {
  const { raw } = reply;
  const headers = reply.getHeaders() as OutgoingHttpHeaders;
  reply.hijack();
  raw.writeHead(reply.statusCode, headers);
  try {
    let bytes = 0;
    const slices = new Slices(20);
    cork(raw);
    for (const buffer of buffers) {
      raw.write(buffer);
      bytes += buffer.length;
      if (bytes < TOGETHER_BYTES) continue;
      bytes = 0;
      uncork(raw);
      if (raw.writableNeedDrain) await drained(raw);
      // Somebody who reads as fast as this writes would keep all others waiting.
      if (slices.isOver) await slices.next();
      if (raw.destroyed) return reply;
      cork(raw);
    }
    uncork(raw);
    raw.end();
  } catch (thrown) {
    // The client must not take what it has for the whole.
    raw.destroy(asError(thrown));
  }
  return reply;
}

/** An answer of HTTP/2 cannot be corked. */
type MaybeCorkable = Partial<Pick<ServerResponse, 'cork' | 'uncork'>>;

function cork(raw: MaybeCorkable): void {
  raw.cork?.();
}

function uncork(raw: MaybeCorkable): void {
  raw.uncork?.();
}

/** Or closed. */
async function drained(raw: ServerResponse): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = (): void => {
      raw.off('drain', done).off('close', done);
      resolve();
    };
    raw.on('drain', done).on('close', done);
  });
}
