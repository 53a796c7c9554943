/**
 * GET /metrics: sends the snapshot's text, which is kept ready, in the format and compression that the scraper prefers.
 * With `?shard=i/n` only partition i (from 0) of n is sent, so that n scrapers can share the load.
 */
import { randomBytes } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Registry } from 'prom-client';
import { inSlices, Slices } from '../../../shared/async/time-slices.ts';
import { OPENMETRICS_EOF } from '../../../shared/exposition/openmetrics/render-openmetrics.ts';
import { clientKey } from '../../../shared/http/gate/client-address.ts';
import { sendText } from '../../../shared/http/reply/send-text.ts';
import { quote } from '../../../shared/model/quote.ts';
import type { ChangeFeed } from '../../../shared/redis/changes/change-feed.ts';
import type { Snapshot } from '../snapshot/snapshot.ts';
import type { ReaderTelemetry } from '../telemetry.ts';
import { applyPending } from '../text/apply-pending.ts';
import { appendChunks, type ReadableText, type TextChunks } from '../text/text-chunks.ts';
import type { CompressAhead } from './compress-ahead.ts';
import { HAS_ZSTD, type DerivedScrapes, type Pushed } from './derived-scrapes.ts';
import { matchesTag } from './if-none-match.ts';
import { contentType, negotiateEncoding, negotiateFormat, type Negotiated, type ScrapeEncoding } from './negotiate.ts';
import { ownFamilies } from './own-families.ts';
import { renderFamily, type Rendering } from './render-scrape.ts';
import { parsePartition, type Partition } from './scrape-partition.ts';
import { sendBuffers } from './send-buffers.ts';
import { spliceGzip } from './spliced-gzip.ts';

const ENCODINGS: readonly ScrapeEncoding[] = HAS_ZSTD ? ['zstd', 'gzip'] : ['gzip'];

/** Distinguishes the versions of this process's snapshot from those of other processes. */
const SNAPSHOT_ID = randomBytes(6).toString('base64url');

export interface ScrapeContext {
  readonly path: string;
  readonly snapshot: Snapshot;
  readonly feed: ChangeFeed;
  readonly ahead: CompressAhead;
  readonly derived: DerivedScrapes;
  readonly telemetry: ReaderTelemetry;
  /** The gateway's own metrics, if they are exposed together with the pushed ones. */
  readonly own: Registry | undefined;
  readonly openMetrics: boolean;
  readonly utf8Names: boolean;
}

interface Scrape extends Rendering {
  readonly negotiated: Negotiated;
  readonly encoding: ScrapeEncoding;
}

export function serveMetrics(app: FastifyInstance, context: ScrapeContext): void {
  const { path, snapshot, feed, ahead, derived, telemetry, own } = context;
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
    const client = clientKey(request.raw);
    const scrape = negotiate(request, context, partition);
    const kept = isKeptReady(scrape) ? await snapshot.partition(partition.i, partition.n, Date.now()) : undefined;
    await bringUpToDate(snapshot, kept ?? snapshot.text);
    reply.type(contentType(scrape.negotiated)).header('Vary', 'Accept, Accept-Encoding');
    const isKnown = (version: number): boolean => {
      if (own !== undefined) return false;
      const tag = entityTag(version, scrape);
      reply.header('ETag', tag);
      return matchesTag(request.headers['if-none-match'], tag);
    };
    if (isKnown(snapshot.version)) return await reply.code(304).send();
    const pushed = kept === undefined ? await derived.render(client, snapshot, scrape) : newest(snapshot, kept);
    if (pushed === undefined) return await sendBusy(reply);
    if (kept !== undefined) {
      ahead.scraped(client, { partition, isGzip: scrape.encoding === 'gzip' }, pushed.chunks.serials.length);
    }
    // It may have changed while others were rendered.
    isKnown(pushed.version);
    const chunks = await withOwnFamilies(context, scrape, pushed);
    if (scrape.encoding !== 'zstd') return await send(reply, chunks, scrape.encoding);
    const compressed = await derived.compress(client, chunks);
    if (compressed === undefined) return await sendBusy(reply);
    return await send(reply.header('Content-Encoding', 'zstd'), compressed, 'identity');
  });
}

async function sendBusy(reply: FastifyReply): Promise<FastifyReply> {
  reply.removeHeader('ETag').header('Retry-After', '1');
  return await sendText(reply, 503, 'too many scrapes are being rendered or compressed; try again later');
}

function negotiate(
  { headers }: FastifyRequest,
  { openMetrics, utf8Names }: ScrapeContext,
  partition: Partition,
): Scrape {
  const negotiated = negotiateFormat(headers.accept, openMetrics);
  return {
    negotiated,
    format: negotiated.format,
    // Without UTF-8 names there is nothing to escape.
    escaping: utf8Names ? negotiated.escaping : 'allow-utf-8',
    encoding: negotiateEncoding(headers['accept-encoding']?.toString(), ENCODINGS),
    partition,
  };
}

/** Whether the snapshot keeps the text in this form; others are rendered on request. */
function isKeptReady({ format, escaping }: Rendering): boolean {
  return format === 'text' && escaping === 'allow-utf-8';
}

/** Removes what has expired and applies what has changed. What expires meanwhile is removed as far as time permits. */
async function bringUpToDate(snapshot: Snapshot, text: ReadableText): Promise<void> {
  await inSlices((isOver) => snapshot.expire(Date.now(), isOver));
  await applyPending(text);
  const slice = new Slices();
  snapshot.expire(Date.now(), () => slice.isOver);
}

function newest({ version }: Snapshot, text: ReadableText): Pushed {
  return { version, chunks: text.chunks(), names: new Set() };
}

function entityTag(version: number, { negotiated, encoding, partition: { i, n } }: Scrape): string {
  return `"${[SNAPSHOT_ID, version, negotiated.format, negotiated.escaping, encoding, i, n].join('.')}"`;
}

/** With the gateway's own families at the end. They belong to no group; partition 0 has them. */
async function withOwnFamilies(
  { snapshot, own }: ScrapeContext,
  { format, partition }: Rendering,
  { chunks, names }: Pushed,
): Promise<TextChunks> {
  const exposed = own === undefined || partition.i !== 0 ? [] : await ownFamilies(own, snapshot);
  const last = exposed.filter(({ name }) => !names.has(name)).map((family) => renderFamily(family, format));
  if (format === 'openmetrics') last.push(Buffer.from(OPENMETRICS_EOF));
  // Without them it is the same object until something changes, which spliceGzip recognises.
  return last.length === 0 ? chunks : appendChunks(chunks, last);
}

async function send(reply: FastifyReply, chunks: TextChunks, encoding: 'identity' | 'gzip'): Promise<FastifyReply> {
  if (encoding === 'identity') return await sendBuffers(reply.header('Content-Length', chunks.bytes), chunks.buffers);
  const spliced = await spliceGzip(chunks);
  reply.header('Content-Encoding', encoding).header('Content-Length', spliced.length);
  return await sendBuffers(reply, spliced.buffers);
}
