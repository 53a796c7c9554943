/**
 * The query API, answered from the snapshot, so also while Redis is away. The first call is the official one:
 *
 *     GET /api/v1/metrics
 *     GET /api/v1/groups?match[]=SELECTOR&q=TEXT&failed=true&families=true&limit=100&cursor=CURSOR
 *     GET /api/v1/groups/ID
 */
import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { GatewayError } from '../../../shared/errors.ts';
import { API_PATH, apiHeaders } from '../../../shared/http/reply/api-reply.ts';
import { queryOf } from '../../../shared/http/request-url.ts';
import type { ChangeFeed } from '../../../shared/redis/changes/change-feed.ts';
import type { Snapshot } from '../snapshot/snapshot.ts';
import type { GroupIndex } from './group-index.ts';
import { groupJson, groupsJson } from './groups-json.ts';
import { metricsJson } from './metrics-json.ts';

type Route = (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply>;

export function serveQueryApi(app: FastifyInstance, snapshot: Snapshot, index: GroupIndex, feed: ChangeFeed): void {
  const get = (path: string, handlerName: string, route: Route): void => {
    app.get(API_PATH + path, { config: { handlerName } }, async (request, reply) => {
      apiHeaders(reply);
      if (!feed.isComplete) {
        return await sendError(reply.header('Retry-After', '1'), 503, 'internal', 'the snapshot is not loaded yet');
      }
      snapshot.expire(Date.now());
      return await route(request, reply);
    });
  };

  get('/metrics', 'api/v1/metrics', async (_request, reply) => await reply.send(Readable.from(metricsJson(snapshot))));

  get('/groups', 'api/v1/groups', async (request, reply) => {
    let json: string;
    try {
      json = groupsJson(index, queryOf(request.url));
    } catch (thrown) {
      if (!(thrown instanceof GatewayError)) throw thrown;
      return await sendError(reply, 400, 'bad_data', thrown.message);
    }
    return await reply.send(json);
  });

  get('/groups/:id', 'api/v1/group', async (request, reply) => {
    const { id } = request.params as { id: string };
    const group = snapshot.get(id);
    if (group === undefined) return await sendError(reply, 404, 'not_found', 'there is no group with this ID');
    return await reply.send(groupJson(snapshot, group));
  });
}

async function sendError(reply: FastifyReply, status: number, errorType: string, error: string): Promise<FastifyReply> {
  return await reply.code(status).send(JSON.stringify({ status: 'error', errorType, error }));
}
