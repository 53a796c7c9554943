/**
 * Dead letters for those who run the gateway (`--web.enable-admin-api`):
 *
 *     GET    /api/v1/dead-letters?limit=100     the newest, without their bodies
 *     GET    /api/v1/dead-letters/ID            one, with the first kilobytes of its body
 *     POST   /api/v1/dead-letters/ID/replay     back into the log, as a push that arrives now
 *     DELETE /api/v1/dead-letters/ID            for good
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { asError } from '../../shared/errors.ts';
import { API_PATH, apiHeaders } from '../../shared/http/reply/api-reply.ts';
import type { RedisClient } from '../../shared/redis/connection/client.ts';
import type { DeadLetter, DeadLetters } from '../../shared/redis/log/dead-letters.ts';

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 1_000;
const SHOWN_BODY_CHARS = 4_096;
const PATH = `${API_PATH}/dead-letters`;

export interface DeadLettersContext {
  readonly deadLetters: DeadLetters;
  /** Undefined until Redis has answered. */
  readonly client: () => RedisClient | undefined;
  readonly nextPushId: () => string;
}

export function serveDeadLetters(app: FastifyInstance, { deadLetters, client, nextPushId }: DeadLettersContext): void {
  const answer = async (reply: FastifyReply, ask: (client: RedisClient) => Promise<Answer>): Promise<FastifyReply> => {
    const { status: code, ...body } = await asked(client(), ask);
    return await apiHeaders(reply)
      .code(code)
      .send(JSON.stringify({ status: code < 400 ? 'success' : 'error', ...body }));
  };
  const config = { config: { handlerName: 'api/v1/dead-letters' } };
  app.get(PATH, config, async (request, reply) => {
    const limit = limitOf(request);
    return await answer(reply, async (redis) => {
      if (limit === undefined) return bad(`limit must be a whole number from 1 to ${MAX_LIMIT}`);
      return success((await deadLetters.list(redis, limit)).map(summary));
    });
  });
  app.get(`${PATH}/:id`, config, async (request, reply) => {
    return await answer(reply, async (redis) => {
      const letter = await deadLetters.get(redis, idOf(request));
      return letter === undefined ? NOT_FOUND : success({ ...summary(letter), body: shownBody(letter) });
    });
  });
  app.post(`${PATH}/:id/replay`, config, async (request, reply) => {
    return await answer(reply, async (redis) => {
      return (await deadLetters.replay(redis, idOf(request), nextPushId())) ? success({}, 202) : NOT_FOUND;
    });
  });
  app.delete(`${PATH}/:id`, config, async (request, reply) => {
    return await answer(reply, async (redis) => {
      return (await deadLetters.drop(redis, idOf(request))) ? success({}, 202) : NOT_FOUND;
    });
  });
}

type Answer =
  | { readonly status: number; readonly data: unknown }
  | { readonly status: number; readonly errorType: string; readonly error: string };

const NOT_FOUND: Answer = { status: 404, errorType: 'not_found', error: 'there is no dead letter of this ID' };

async function asked(client: RedisClient | undefined, ask: (client: RedisClient) => Promise<Answer>): Promise<Answer> {
  try {
    if (client === undefined) throw new Error('Redis has not answered yet');
    return await ask(client);
  } catch (thrown) {
    return { status: 503, errorType: 'unavailable', error: `cannot reach Redis: ${asError(thrown).message}` };
  }
}

function success(data: unknown, status = 200): Answer {
  return { status, data };
}

function bad(error: string): Answer {
  return { status: 400, errorType: 'bad_data', error };
}

function summary({ id, buriedMs, reason, attempts, push }: DeadLetter): Record<string, unknown> {
  return { id, buried: new Date(buriedMs).toISOString(), reason, attempts, push };
}

function shownBody({ body }: DeadLetter): string {
  return body.slice(0, SHOWN_BODY_CHARS);
}

function idOf(request: FastifyRequest): string {
  return (request.params as { id: string }).id;
}

function limitOf(request: FastifyRequest): number | undefined {
  const { limit } = request.query as { limit?: string };
  const value = limit === undefined ? DEFAULT_LIMIT : Number(limit);
  return Number.isInteger(value) && value >= 1 && value <= MAX_LIMIT ? value : undefined;
}
