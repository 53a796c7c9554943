/** What the reader answers beside /metrics: the query API. */
import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { API_PATH, apiHeaders } from '../../shared/http/status-api.ts';
import type { ChangeFeed } from '../../shared/redis/change-feed.ts';
import type { Snapshot } from '../../shared/state/snapshot.ts';
import { metricsJson } from './metrics-api.ts';

export function serveApi(app: FastifyInstance, snapshot: Snapshot, feed: ChangeFeed): void {
  app.get(`${API_PATH}/metrics`, { config: { handlerName: 'api/v1/metrics' } }, async (_request, reply) => {
    apiHeaders(reply);
    if (!feed.isComplete) return await notLoaded(reply);
    snapshot.expire(Date.now());
    return await reply.send(Readable.from(metricsJson(snapshot)));
  });
}

async function notLoaded(reply: FastifyReply): Promise<FastifyReply> {
  const body = { status: 'error', errorType: 'internal', error: 'the snapshot is not loaded yet' };
  return await reply.code(503).header('Retry-After', '1').send(JSON.stringify(body));
}
