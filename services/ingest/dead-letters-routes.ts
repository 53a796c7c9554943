/**
 * Dead letters, for operators (`--web.enable-admin-api`):
 *
 *     GET    /api/v1/dead-letters?limit=100     the newest, without their bodies
 *     GET    /api/v1/dead-letters/ID            one, with the first kilobytes of its body
 *     POST   /api/v1/dead-letters/ID/replay     appends it to the log, as a push that arrives now
 *     DELETE /api/v1/dead-letters/ID            deletes it
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { asError, GatewayError } from '../../shared/errors.ts';
import { API_PATH, apiHeaders } from '../../shared/http/reply/api-reply.ts';
import { queryOf } from '../../shared/http/request-url.ts';
import { quote } from '../../shared/model/quote.ts';
import type { RedisClient } from '../../shared/redis/connection/client.ts';
import { explain } from '../../shared/redis/connection/connection-errors.ts';
import type { DeadLetter, DeadLetters } from '../../shared/redis/log/dead-letters.ts';

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 1_000;
const MAX_BODY_CHARS = 4_096;
const PATH = `${API_PATH}/dead-letters`;

export interface DeadLettersContext {
  readonly deadLetters: DeadLetters;
  /** Undefined until Redis has answered. */
  readonly client: () => RedisClient | undefined;
  readonly nextPushId: () => string;
}

/** Returns the data of the reply; undefined if there is no such dead letter. */
type Handle = (redis: RedisClient, request: FastifyRequest) => Promise<unknown>;

export function serveDeadLetters(app: FastifyInstance, { deadLetters, client, nextPushId }: DeadLettersContext): void {
  const route = (method: 'GET' | 'POST' | 'DELETE', url: string, status: number, handle: Handle): void => {
    app.route({
      method,
      url,
      config: { handlerName: 'api/v1/dead-letters' },
      handler: async (request, reply) => {
        const { code, ...body } = await replyTo(client(), request, status, handle);
        return await apiHeaders(reply).code(code).send(JSON.stringify(body));
      },
    });
  };
  route('GET', PATH, 200, async (redis, { url }) => {
    return (await deadLetters.list(redis, limitIn(queryOf(url).get('limit')))).map(summary);
  });
  route('GET', `${PATH}/:id`, 200, async (redis, request) => {
    const letter = await deadLetters.get(redis, idIn(request));
    return letter && { ...summary(letter), body: letter.body.slice(0, MAX_BODY_CHARS) };
  });
  route('POST', `${PATH}/:id/replay`, 202, async (redis, request) => {
    return (await deadLetters.replay(redis, idIn(request), nextPushId())) ? {} : undefined;
  });
  route('DELETE', `${PATH}/:id`, 202, async (redis, request) => {
    return (await deadLetters.drop(redis, idIn(request))) ? {} : undefined;
  });
}

async function replyTo(client: RedisClient | undefined, request: FastifyRequest, status: number, handle: Handle) {
  try {
    if (client === undefined) throw new Error('Redis has not answered yet');
    const data = await handle(client, request);
    if (data !== undefined) return { code: status, status: 'success', data };
    return { code: 404, status: 'error', errorType: 'not_found', error: 'there is no dead letter with this ID' };
  } catch (thrown) {
    if (thrown instanceof GatewayError && thrown.code === 'request_invalid')
      return { code: 400, status: 'error', errorType: 'bad_data', error: thrown.message };
    const error = `cannot reach Redis: ${explain(asError(thrown))}`;
    return { code: 503, status: 'error', errorType: 'unavailable', error };
  }
}

function summary({ id, buriedMs, reason, attempts, push }: DeadLetter): Record<string, unknown> {
  return { id, buried: new Date(buriedMs).toISOString(), reason, attempts, push };
}

function idIn({ params }: FastifyRequest): string {
  return (params as { id: string }).id;
}

function limitIn(limit: string | null): number {
  const value = limit === null ? DEFAULT_LIMIT : Number(limit);
  if (Number.isInteger(value) && value >= 1 && value <= MAX_LIMIT) return value;
  const expected = `expected a whole number from 1 to ${MAX_LIMIT}`;
  throw new GatewayError('request_invalid', `cannot use limit ${quote(limit ?? '')}: ${expected}`);
}
