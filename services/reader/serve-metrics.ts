/** GET /metrics: hands out the snapshot's ready buffers, in the format and compression that the scraper prefers. */
import { Readable } from 'node:stream';
import * as zlib from 'node:zlib';
import type { FastifyInstance } from 'fastify';
import type { ChangeFeed } from '../../shared/redis/change-feed.ts';
import type { Snapshot } from '../../shared/state/snapshot.ts';
import { CONTENT_TYPES, negotiateEncoding, negotiateFormat, type ScrapeEncoding } from './negotiate.ts';
import { protobufScrape } from './protobuf-scrape.ts';
import type { ReaderTelemetry } from './telemetry.ts';

/** zstd came with Node 22.15. */
const ENCODINGS: readonly ScrapeEncoding[] = 'createZstdCompress' in zlib ? ['zstd', 'gzip'] : ['gzip'];

export function serveMetrics(
  app: FastifyInstance,
  path: string,
  snapshot: Snapshot,
  feed: ChangeFeed,
  telemetry: ReaderTelemetry,
): void {
  app.get(path, async (request, reply) => {
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
    const format = negotiateFormat(request.headers.accept);
    const encoding = negotiateEncoding(request.headers['accept-encoding']?.toString(), ENCODINGS);
    // Taken at once: what changes while it is sent is for the next scrape.
    const buffers = format === 'text' ? snapshot.text() : [...protobufScrape(snapshot)];
    const body = Readable.from(buffers, { objectMode: false });
    reply.type(CONTENT_TYPES[format]).header('Vary', 'Accept, Accept-Encoding');
    if (encoding === 'identity') {
      return await reply
        .header(
          'Content-Length',
          buffers.reduce((sum, { length }) => sum + length, 0),
        )
        .send(body);
    }
    return await reply.header('Content-Encoding', encoding).send(body.pipe(compressor(encoding)));
  });
}

function compressor(encoding: 'gzip' | 'zstd'): NodeJS.ReadWriteStream {
  const { createZstdCompress } = zlib as { createZstdCompress?: () => NodeJS.ReadWriteStream };
  if (encoding === 'zstd' && createZstdCompress !== undefined) return createZstdCompress();
  return zlib.createGzip({ level: zlib.constants.Z_BEST_SPEED });
}
