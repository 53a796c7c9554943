/** Opens the configured listen addresses. */
import type { FastifyInstance } from 'fastify';
import type { Config } from '../../config/config.ts';
import { webServerOf } from './server.ts';

/**
 * Returns the URL of the first address, route prefix included. Rejects when an address cannot be had, and with GatewayError
 * `config_invalid`, one line a fault, for what is wrong with the web configuration. `app.close()` closes them all.
 */
export async function listen(app: FastifyInstance, config: Config): Promise<string> {
  await app.ready();
  const url = await webServerOf(app).open((request, response) => app.routing(request, response));
  return url + config.web.routePrefix;
}
