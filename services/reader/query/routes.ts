/** What the reader answers beside /metrics: the query API. */
import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { API_PATH, apiHeaders } from '../../../shared/http/reply/api-reply.ts';
import type { ChangeFeed } from '../../../shared/redis/changes/change-feed.ts';
import type { Snapshot } from '../snapshot/snapshot.ts';
import { faultOfClient, groupJson, groupsJson } from './groups.ts';
import type { GroupIndex } from './list-groups-index.ts';
import { metricsJson } from './metrics.ts';
import { queryOf } from '../../../shared/http/request-url.ts';

export function serveApi(app: FastifyInstance, snapshot: Snapshot, index: GroupIndex, feed: ChangeFeed): void {
  app.get(`${API_PATH}/metrics`, { config: { handlerName: 'api/v1/metrics' } }, async (_request, reply) => {
    apiHeaders(reply);
    if (!feed.isComplete) return await notLoaded(reply);
    snapshot.expire(Date.now());
    return await reply.send(Readable.from(metricsJson(snapshot)));
  });

  app.get(`${API_PATH}/groups`, { config: { handlerName: 'api/v1/groups' } }, async (request, reply) => {
    apiHeaders(reply);
    if (!feed.isComplete) return await notLoaded(reply);
    snapshot.expire(Date.now());
    let json: string;
    try {
      json = groupsJson(index, queryOf(request.url));
    } catch (thrown) {
      return await sendError(reply, 400, 'bad_data', faultOfClient(thrown));
    }
    return await reply.send(json);
  });

  const groupPath = `${API_PATH}/groups/:id`;
  app.get<{ Params: { id: string } }>(
    groupPath,
    { config: { handlerName: 'api/v1/group' } },
    async (request, reply) => {
      apiHeaders(reply);
      if (!feed.isComplete) return await notLoaded(reply);
      snapshot.expire(Date.now());
      const group = snapshot.get(request.params.id);
      if (group === undefined) return await sendError(reply, 404, 'not_found', 'there is no group of this ID');
      return await reply.send(groupJson(snapshot, group));
    },
  );
}

async function notLoaded(reply: FastifyReply): Promise<FastifyReply> {
  return await sendError(reply.header('Retry-After', '1'), 503, 'internal', 'the snapshot is not loaded yet');
}

async function sendError(reply: FastifyReply, status: number, errorType: string, error: string): Promise<FastifyReply> {
  return await reply.code(status).send(JSON.stringify({ status: 'error', errorType, error }));
}
