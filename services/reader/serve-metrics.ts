/** GET /metrics: hands out the snapshot's ready buffers. */
import { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import type { ChangeFeed } from '../../shared/redis/change-feed.ts';
import type { Snapshot } from '../../shared/state/snapshot.ts';
import type { ReaderTelemetry } from './telemetry.ts';

const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

export function serveMetrics(
  app: FastifyInstance,
  path: string,
  snapshot: Snapshot,
  feed: ChangeFeed,
  telemetry: ReaderTelemetry,
): void {
  app.get(path, async (_request, reply) => {
    const end = telemetry.startScrape();
    reply.raw.once('close', () => end(reply.raw.statusCode));
    if (!feed.isComplete) {
      // An empty exposition would tell Prometheus that everything is gone.
      return await reply
        .code(503)
        .header('Retry-After', '1')
        .type('text/plain')
        .send('the snapshot is not loaded yet\n');
    }
    snapshot.expire(Date.now());
    const buffers = snapshot.text();
    const length = buffers.reduce((sum, buffer) => sum + buffer.length, 0);
    return await reply
      .type(CONTENT_TYPE)
      .header('Content-Length', length)
      .send(Readable.from(buffers, { objectMode: false }));
  });
}
