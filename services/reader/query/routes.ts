/**
 * The query API, answered from the snapshot, so also while Redis is away. The first call is the official one:
 *
 *     GET /api/v1/metrics
 *     GET /api/v1/groups?match[]=SELECTOR&q=TEXT&failed=true&families=true&limit=100&cursor=CURSOR
 *     GET /api/v1/groups/ID
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { inSlices } from '../../../shared/async/time-slices.ts';
import { Turns } from '../../../shared/async/turns.ts';
import { GatewayError } from '../../../shared/errors.ts';
import { clientKey } from '../../../shared/http/gate/client-address.ts';
import { API_PATH, apiHeaders } from '../../../shared/http/reply/api-reply.ts';
import { queryOf } from '../../../shared/http/request-url.ts';
import type { ChangeFeed } from '../../../shared/redis/changes/change-feed.ts';
import type { Snapshot } from '../snapshot/snapshot.ts';
import type { GroupIndex } from './group-index.ts';
import { groupJson, groupsJson } from './groups-json.ts';
import { parseGroupsQuery } from './groups-query.ts';
import { filterGroups, takePage } from './list-groups.ts';
import { metricsJson } from './metrics-json.ts';
import type { PatternMatcher } from './pattern-matcher.ts';
import { sendJson } from './send-json.ts';

/** Answers that are made, or being sent, at once. */
const QUERY_LIMITS = { atOnce: 8, atOncePerClient: 2, waiting: 64, patienceMs: 10_000 } as const;

export interface QueryContext {
  readonly snapshot: Snapshot;
  readonly index: GroupIndex;
  readonly patterns: PatternMatcher;
  readonly feed: ChangeFeed;
}

interface Failure {
  readonly status: number;
  readonly errorType: string;
  readonly error: string;
}

/** Returns the JSON in pieces. Throws GatewayError `request_invalid`; undefined = not found. */
type Query = (request: FastifyRequest) => Promise<Iterable<string> | undefined>;

export function serveQueryApi(app: FastifyInstance, { snapshot, index, patterns, feed }: QueryContext): void {
  const turns = new Turns(QUERY_LIMITS);
  const get = (path: string, handlerName: string, query: Query): void => {
    app.get(API_PATH + path, { config: { handlerName } }, async (request, reply) => {
      apiHeaders(reply);
      if (!feed.isComplete) return await sendBusy(reply, 'internal', 'the snapshot is not loaded yet');
      const end = await turns.take(clientKey(request.raw));
      if (end === undefined)
        return await sendBusy(reply, 'unavailable', 'too many queries are in flight; try again later');
      let pieces: Iterable<string> | Failure;
      try {
        await inSlices((isOver) => snapshot.expire(Date.now(), isOver));
        pieces = await run(query, request);
      } finally {
        // The turn lasts until the answer is sent. What Fastify reports is not enough: it misses closed streams of HTTP/2.
        if (isClosed(reply)) end();
        else reply.raw.once('close', end);
      }
      if (isClosed(reply)) return reply.hijack();
      return 'status' in pieces ? await sendError(reply, pieces) : await sendJson(reply, pieces);
    });
  };

  get('/metrics', 'api/v1/metrics', async () => await Promise.resolve(metricsJson(snapshot)));

  get('/groups', 'api/v1/groups', async (request) => {
    const { filter, withFamilies, limit, cursor } = parseGroupsQuery(queryOf(request.url));
    const matching = await filterGroups(await index.groups(), filter, patterns);
    return groupsJson(snapshot, takePage(matching, limit, cursor), matching.length, withFamilies);
  });

  get('/groups/:id', 'api/v1/group', async (request) => {
    const group = snapshot.get((request.params as { id: string }).id);
    return await Promise.resolve(group && groupJson(snapshot, group));
  });
}

async function run(query: Query, request: FastifyRequest): Promise<Iterable<string> | Failure> {
  try {
    const notFound = { status: 404, errorType: 'not_found', error: 'there is no group with this ID' } as const;
    return (await query(request)) ?? notFound;
  } catch (thrown) {
    if (!(thrown instanceof GatewayError)) throw thrown;
    return { status: 400, errorType: 'bad_data', error: thrown.message };
  }
}

/** A response of HTTP/2 has no `destroyed`; a closed one has no socket. */
function isClosed({ raw }: FastifyReply): boolean {
  return raw.destroyed || !raw.socket;
}

async function sendBusy(reply: FastifyReply, errorType: string, error: string): Promise<FastifyReply> {
  return await sendError(reply.header('Retry-After', '1'), { status: 503, errorType, error });
}

async function sendError(reply: FastifyReply, { status, errorType, error }: Failure): Promise<FastifyReply> {
  return await reply.code(status).send(JSON.stringify({ status: 'error', errorType, error }));
}
