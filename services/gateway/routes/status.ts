/** `/api/v1/status`: flags, start time and build information, as in the official gateway. */
import type { FastifyInstance } from 'fastify';
import type { Config } from '../../../shared/config/config.ts';
import { describeConfig } from '../../../shared/config/describe.ts';
import { packageVersion } from '../../../shared/config/version.ts';
import { API_PATH, apiHeaders, preflightHeaders } from '../../../shared/http/reply/api-reply.ts';

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
    // As bytes: for a string, fastify would add a charset to the Content-Type.
    return await apiHeaders(reply).send(Buffer.from(JSON.stringify({ status: 'success', data })));
  });
  app.options(`${API_PATH}/*`, { config: { handlerName: 'api/v1/options' } }, async (_request, reply) => {
    return await preflightHeaders(reply).code(200).send();
  });
}
