/** GET /metrics: hands out the snapshot's ready buffers, in the format and compression that the scraper prefers. */
import { Readable } from 'node:stream';
import * as zlib from 'node:zlib';
import type { FastifyInstance } from 'fastify';
import type { Registry } from 'prom-client';
import type { ChangeFeed } from '../../shared/redis/change-feed.ts';
import type { Snapshot } from '../../shared/state/snapshot.ts';
import { contentType, negotiateEncoding, negotiateFormat, type ScrapeEncoding } from './negotiate.ts';
import { ownFamilies } from './own-families.ts';
import { renderFamily, renderScrape } from './render-scrape.ts';
import type { ReaderTelemetry } from './telemetry.ts';

/** zstd came with Node 22.15. */
const ENCODINGS: readonly ScrapeEncoding[] = 'createZstdCompress' in zlib ? ['zstd', 'gzip'] : ['gzip'];

export interface ScrapeContext {
  readonly path: string;
  readonly snapshot: Snapshot;
  readonly feed: ChangeFeed;
  readonly telemetry: ReaderTelemetry;
  /** The gateway's own metrics, if they are to be shown among the pushed ones. */
  readonly own: Registry | undefined;
  readonly openMetrics: boolean;
  readonly utf8Names: boolean;
}

export function serveMetrics(app: FastifyInstance, context: ScrapeContext): void {
  const { path, snapshot, feed, telemetry, own, openMetrics, utf8Names } = context;
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
    const negotiated = negotiateFormat(request.headers.accept, openMetrics);
    const { format } = negotiated;
    // Without such names there is nothing to escape.
    const escaping = utf8Names ? negotiated.escaping : 'allow-utf-8';
    const encoding = negotiateEncoding(request.headers['accept-encoding']?.toString(), ENCODINGS);
    const ownShown = own === undefined ? [] : await ownFamilies(own, snapshot);
    // Taken at once: what changes while it is sent is for the next scrape.
    const buffers =
      format === 'text' && escaping === 'allow-utf-8'
        ? [...snapshot.text(), ...ownShown.map((family) => renderFamily([family], format))]
        : [...renderScrape(snapshot, format, escaping, ownShown)];
    const body = Readable.from(buffers, { objectMode: false });
    reply.type(contentType(negotiated)).header('Vary', 'Accept, Accept-Encoding');
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
