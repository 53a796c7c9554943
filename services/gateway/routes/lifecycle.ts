/** `/-/quit` ends the process if --web.enable-lifecycle is set. */
import type { FastifyInstance } from 'fastify';
import type { Config } from '../../../shared/config/config.ts';

export function serveLifecycle(app: FastifyInstance, config: Config, onQuit: () => void): void {
  app.route({
    method: ['PUT', 'POST'],
    url: '/-/quit',
    handler: async (_request, reply) => {
      if (!config.web.enableLifecycle) return await reply.code(403).send('Lifecycle API is not enabled.');
      // Only after the answer is sent: draining closes idle connections.
      reply.raw.once('finish', onQuit);
      return await reply.send('Requesting termination... Goodbye!');
    },
  });
  app.get('/-/quit', async (_request, reply) => await reply.code(405).send('Only POST or PUT requests allowed.'));
}
