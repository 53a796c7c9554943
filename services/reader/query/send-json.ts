import { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';
import { Slices } from '../../../shared/async/time-slices.ts';
import { QUERY_SLICE_MS } from './list-groups.ts';

/** Number of characters that are sent at once. */
const CHUNK_CHARS = 64 * 1024;

/** Sends an answer while it is made: in slices, and no faster than the client reads it. */
export async function sendJson(reply: FastifyReply, pieces: Iterable<string>): Promise<FastifyReply> {
  const body = Readable.from(chunksOf(pieces));
  reply.raw.once('close', () => body.destroy());
  return await reply.send(body);
}

async function* chunksOf(pieces: Iterable<string>): AsyncGenerator<string> {
  const slices = new Slices(QUERY_SLICE_MS);
  let chunk = '';
  for (const piece of pieces) {
    chunk += piece;
    if (slices.isOver) await slices.next();
    if (chunk.length < CHUNK_CHARS) continue;
    yield chunk;
    chunk = '';
  }
  yield chunk;
}
