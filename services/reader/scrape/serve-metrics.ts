/**
 * GET /metrics: sends the snapshot's text, which is kept ready, in the format and compression that the scraper prefers.
 * With `?shard=i/n` only partition i (from 0) of n is sent, so that n scrapers can share the load.
 */
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import * as zlib from 'node:zlib';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Registry } from 'prom-client';
import type { EscapingScheme } from '../../../shared/exposition/openmetrics/escape-names.ts';
import { sendText } from '../../../shared/http/reply/send-text.ts';
import { quote } from '../../../shared/model/quote.ts';
import type { ChangeFeed } from '../../../shared/redis/changes/change-feed.ts';
import type { Snapshot } from '../snapshot/snapshot.ts';
import type { ReaderTelemetry } from '../telemetry.ts';
import { applyPending } from '../text/apply-pending.ts';
import { appendChunks, newChunks, type ReadableText, type TextChunks } from '../text/text-chunks.ts';
import type { CompressAhead } from './compress-ahead.ts';
import { matchesTag } from './if-none-match.ts';
import { contentType, negotiateEncoding, negotiateFormat, type Negotiated, type ScrapeEncoding } from './negotiate.ts';
import { ownFamilies } from './own-families.ts';
import { renderFamily, renderScrape } from './render-scrape.ts';
import { parsePartition, type Partition } from './scrape-partition.ts';
import { sendBuffers } from './send-buffers.ts';
import { spliceGzip } from './spliced-gzip.ts';

/** zstd needs Node 22.15 or later. */
const ENCODINGS: readonly ScrapeEncoding[] = 'createZstdCompress' in zlib ? ['zstd', 'gzip'] : ['gzip'];

/** Distinguishes the versions of this process's snapshot from those of other processes. */
const SNAPSHOT_ID = randomBytes(6).toString('base64url');

export interface ScrapeContext {
  readonly path: string;
  readonly snapshot: Snapshot;
  readonly feed: ChangeFeed;
  readonly ahead: CompressAhead;
  readonly telemetry: ReaderTelemetry;
  /** The gateway's own metrics, if they are exposed together with the pushed ones. */
  readonly own: Registry | undefined;
  readonly openMetrics: boolean;
  readonly utf8Names: boolean;
}

interface Scrape {
  readonly negotiated: Negotiated;
  readonly escaping: EscapingScheme;
  readonly encoding: ScrapeEncoding;
  readonly partition: Partition;
}

export function serveMetrics(app: FastifyInstance, context: ScrapeContext): void {
  const { path, snapshot, feed, ahead, telemetry, own } = context;
  app.get(path, async (request, reply) => {
    const end = telemetry.startScrape();
    reply.raw.once('close', () => end(reply.raw.statusCode));
    if (!feed.isComplete) {
      // An empty exposition would make Prometheus mark all series as stale.
      return await sendText(reply.header('Retry-After', '1'), 503, 'the snapshot is not loaded yet');
    }
    const { shard } = request.query as { shard?: unknown };
    const partition = parsePartition(shard);
    if (partition === undefined) {
      const expected = 'expected i/n with 0 <= i < n <= 1024, for example 0/3';
      return await sendText(reply, 400, `cannot use shard ${quote(String(shard))}: ${expected}`);
    }
    const scrape = negotiate(request, context, partition);
    snapshot.expire(Date.now());
    const text = isKeptReady(scrape) ? await snapshot.partition(partition.i, partition.n, Date.now()) : undefined;
    if (text !== undefined) {
      await applyPending(text);
      snapshot.expire(Date.now());
    }
    reply.type(contentType(scrape.negotiated)).header('Vary', 'Accept, Accept-Encoding');
    if (own === undefined) {
      const tag = entityTag(snapshot, scrape);
      reply.header('ETag', tag);
      if (matchesTag(request.headers['if-none-match'], tag)) return await reply.code(304).send();
    }
    const chunks = await chunksOf(context, scrape, text);
    if (text !== undefined) {
      ahead.scraped(request.ip, { partition, isGzip: scrape.encoding === 'gzip' }, chunks.serials.length);
    }
    return await send(reply, chunks, scrape.encoding);
  });
}

function negotiate(
  { headers }: FastifyRequest,
  { openMetrics, utf8Names }: ScrapeContext,
  partition: Partition,
): Scrape {
  const negotiated = negotiateFormat(headers.accept, openMetrics);
  return {
    negotiated,
    // Without UTF-8 names there is nothing to escape.
    escaping: utf8Names ? negotiated.escaping : 'allow-utf-8',
    encoding: negotiateEncoding(headers['accept-encoding']?.toString(), ENCODINGS),
    partition,
  };
}

/** Whether the snapshot keeps the text in this form; other forms are rendered for each scrape. */
function isKeptReady({ negotiated, escaping }: Scrape): boolean {
  return negotiated.format === 'text' && escaping === 'allow-utf-8';
}

function entityTag({ version }: Snapshot, { negotiated, encoding, partition: { i, n } }: Scrape): string {
  return `"${[SNAPSHOT_ID, version, negotiated.format, negotiated.escaping, encoding, i, n].join('.')}"`;
}

/** The exposition at this moment; changes are left to the next scrape. `text` is defined if it is kept ready. */
async function chunksOf(
  { snapshot, own }: ScrapeContext,
  { negotiated: { format }, escaping, partition }: Scrape,
  text: ReadableText | undefined,
): Promise<TextChunks> {
  // The gateway's own families belong to no group; partition 0 has them.
  const exposed = own === undefined || partition.i !== 0 ? [] : await ownFamilies(own, snapshot);
  if (text === undefined) return newChunks([...renderScrape(snapshot, format, escaping, partition, exposed)]);
  const pushed = text.chunks();
  // `pushed` itself is the same object until something changes, which spliceGzip recognises.
  if (exposed.length === 0) return pushed;
  return appendChunks(
    pushed,
    exposed.map((family) => renderFamily([family], format)),
  );
}

async function send(reply: FastifyReply, chunks: TextChunks, encoding: ScrapeEncoding): Promise<FastifyReply> {
  const { buffers, bytes } = chunks;
  switch (encoding) {
    case 'identity':
      return await sendBuffers(reply.header('Content-Length', bytes), buffers);
    case 'gzip': {
      const spliced = await spliceGzip(chunks);
      reply.header('Content-Encoding', encoding).header('Content-Length', spliced.length);
      return await sendBuffers(reply, spliced.buffers);
    }
    case 'zstd': {
      const body = Readable.from(buffers, { objectMode: false }).pipe(zstdCompressor());
      return await reply.header('Content-Encoding', encoding).send(body);
    }
    default:
      encoding satisfies never;
      return await reply.send();
  }
}

function zstdCompressor(): NodeJS.ReadWriteStream {
  return (zlib as unknown as { createZstdCompress: () => NodeJS.ReadWriteStream }).createZstdCompress();
}
