/**
 * GET /metrics: hands out the snapshot's ready buffers, in the format and compression that the scraper prefers; with
 * `?shard=i/n` the i-th (from 0) of n parts, which n scrapers share.
 */
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import * as zlib from 'node:zlib';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Registry } from 'prom-client';
import type { EscapingScheme } from '../../../shared/exposition/openmetrics/escape-names.ts';
import { sendText } from '../../../shared/http/reply/send-text.ts';
import type { ChangeFeed } from '../../../shared/redis/changes/change-feed.ts';
import type { Snapshot } from '../snapshot/snapshot.ts';
import { newChunks, appendChunks, type ReadableText, type TextChunks } from '../text/text-chunks.ts';
import {
  contentType,
  negotiateEncoding,
  negotiateFormat,
  type Negotiated,
  type ScrapeEncoding,
  type ScrapeFormat,
} from './negotiate.ts';
import type { CompressAhead } from './compress-ahead.ts';
import { isKnown } from './if-none-match.ts';
import { ownFamilies } from './own-families.ts';
import { renderFamily, renderScrape } from './render-scrape.ts';
import { parsePartition, type Partition } from './scrape-partition.ts';
import { sendBuffers } from './send-buffers.ts';
import { spliceGzip } from './spliced-gzip.ts';
import type { ReaderTelemetry } from '../telemetry.ts';
import { applyPending } from '../text/apply-pending.ts';

/** zstd came with Node 22.15. */
const ENCODINGS: readonly ScrapeEncoding[] = 'createZstdCompress' in zlib ? ['zstd', 'gzip'] : ['gzip'];

export interface ScrapeContext {
  readonly path: string;
  readonly snapshot: Snapshot;
  readonly feed: ChangeFeed;
  readonly ahead: CompressAhead;
  readonly telemetry: ReaderTelemetry;
  /** The gateway's own metrics, if they are to be shown among the pushed ones. */
  readonly own: Registry | undefined;
  readonly openMetrics: boolean;
  readonly utf8Names: boolean;
}

interface Asked {
  readonly negotiated: Negotiated;
  readonly format: ScrapeFormat;
  readonly escaping: EscapingScheme;
  readonly encoding: ScrapeEncoding;
  readonly part: Partition;
}

/** Tells the versions of this process' snapshot from those of others. */
const SNAPSHOT_ID = randomBytes(6).toString('base64url');

export function serveMetrics(app: FastifyInstance, context: ScrapeContext): void {
  const { path, snapshot, feed, ahead, telemetry, own } = context;
  app.get(path, async (request, reply) => {
    const end = telemetry.startScrape();
    reply.raw.once('close', () => end(reply.raw.statusCode));
    if (!feed.isComplete) {
      // An empty exposition would tell Prometheus that everything is gone.
      return await sendText(reply.header('Retry-After', '1'), 503, 'the snapshot is not loaded yet');
    }
    const part = parsePartition((request.query as { shard?: unknown }).shard);
    if (part === undefined)
      return await sendText(reply, 400, 'shard must be i/n with 0 <= i < n <= 1024, as shard=0/3');
    const asked = negotiate(request, context, part);
    snapshot.expire(Date.now());
    const text = isReady(asked) ? await snapshot.partition(part.i, part.n, Date.now()) : undefined;
    if (text !== undefined) {
      await applyPending(text);
      snapshot.expire(Date.now());
    }
    reply.type(contentType(asked.negotiated)).header('Vary', 'Accept, Accept-Encoding');
    if (own === undefined) {
      const tag = entityTag(snapshot, asked);
      reply.header('ETag', tag);
      if (isKnown(request.headers['if-none-match'], tag)) return await reply.code(304).send();
    }
    const parts = await partsOf(context, asked, text);
    if (text !== undefined)
      ahead.scraped(request.ip, { part, isGzip: asked.encoding === 'gzip' }, parts.serials.length);
    return await send(reply, parts, asked.encoding);
  });
}

function negotiate({ headers }: FastifyRequest, { openMetrics, utf8Names }: ScrapeContext, part: Partition): Asked {
  const negotiated = negotiateFormat(headers.accept, openMetrics);
  return {
    negotiated,
    format: negotiated.format,
    // Without such names there is nothing to escape.
    escaping: utf8Names ? negotiated.escaping : 'allow-utf-8',
    encoding: negotiateEncoding(headers['accept-encoding']?.toString(), ENCODINGS),
    part,
  };
}

/** Others are rendered when they are asked for. */
function isReady({ format, escaping }: Asked): boolean {
  return format === 'text' && escaping === 'allow-utf-8';
}

function entityTag({ version }: Snapshot, { negotiated, encoding, part: { i, n } }: Asked): string {
  return `"${[SNAPSHOT_ID, version, negotiated.format, negotiated.escaping, encoding, i, n].join('.')}"`;
}

/** Taken at once: what changes while it is sent is for the next scrape. `text` where it is kept ready. */
async function partsOf(
  { snapshot, own }: ScrapeContext,
  { format, escaping, part }: Asked,
  text: ReadableText | undefined,
): Promise<TextChunks> {
  // The gateway's own are no group's: one part has them.
  const ownShown = own === undefined || part.i !== 0 ? [] : await ownFamilies(own, snapshot);
  if (text === undefined) return newChunks([...renderScrape(snapshot, format, escaping, part, ownShown)]);
  const pushed = text.chunks();
  // The same list as long as nothing changes.
  if (ownShown.length === 0) return pushed;
  return appendChunks(
    pushed,
    ownShown.map((family) => renderFamily([family], format)),
  );
}

async function send(reply: FastifyReply, parts: TextChunks, encoding: ScrapeEncoding): Promise<FastifyReply> {
  const { buffers, bytes } = parts;
  switch (encoding) {
    case 'identity':
      return await sendBuffers(reply.header('Content-Length', bytes), buffers);
    case 'gzip': {
      const spliced = await spliceGzip(parts);
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
