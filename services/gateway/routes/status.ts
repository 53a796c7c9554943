/** /api/v1/status and what all of /api/v1 has in common: it may be called from other sites, and is never cached. */
import type { FastifyInstance, FastifyReply } from 'fastify';
import type { Config } from '../../../shared/config/config.ts';
import { describeConfig } from '../../../shared/config/describe.ts';
import { packageVersion } from '../../../shared/config/version.ts';

const CORS_HEADERS = {
  'Access-Control-Allow-Headers': 'Accept, Authorization, Content-Type, Origin',
  'Access-Control-Allow-Methods': 'GET, POST, DELETE, OPTIONS',
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Expose-Headers': 'Date',
  'Cache-Control': 'no-cache, no-store, must-revalidate',
} as const;

export const API_PATH = '/api/v1';

export function apiHeaders(reply: FastifyReply): FastifyReply {
  return reply.headers(CORS_HEADERS).type('application/json');
}

export function buildInformation(): Record<string, string> {
  return {
    version: packageVersion(),
    revision: '',
    branch: '',
    buildUser: '',
    buildDate: '',
    goVersion: '',
    nodeVersion: process.version,
  };
}

export function serveStatus(app: FastifyInstance, config: Config, startedAt: Date): void {
  const data = {
    flags: describeConfig(config),
    start_time: startedAt.toISOString(),
    build_information: buildInformation(),
  };
  app.get(`${API_PATH}/status`, { config: { handlerName: 'api/v1/status' } }, async (_request, reply) => {
    // As bytes: to the type of a text, fastify would add a charset.
    return await apiHeaders(reply).send(Buffer.from(JSON.stringify({ status: 'success', data })));
  });
  app.options(`${API_PATH}/*`, { config: { handlerName: 'api/v1/options' } }, async (_request, reply) => {
    return await reply.headers(CORS_HEADERS).code(200).send();
  });
}
