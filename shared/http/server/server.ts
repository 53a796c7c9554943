/**
 * The HTTP server that all roles of a process share: plain-text errors in one line, probes, telemetry. Services add their
 * routes to it.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { fastify, type FastifyError, type FastifyInstance, type FastifyReply } from 'fastify';
import type { Registry } from 'prom-client';
import type { Config } from '../../config/config.ts';
import { asError } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import { isEmptyGzip } from '../body/content-encoding.ts';
import { serveNotFound } from '../reply/not-found.ts';
import { sendText } from '../reply/send-text.ts';
import { API_PATH } from '../reply/api-reply.ts';
import { WebServer, type WebServerTrials } from './web-server.ts';

const WEB_SERVER = Symbol('the listeners of an app');

export interface ServerContext {
  readonly config: Config;
  readonly registry: Registry;
  readonly logger: Logger;
  /** What is not ready yet, one line each; none = ready. */
  readonly notReady: () => readonly string[];
  readonly trials?: WebServerTrials;
}

/**
 * Not listening yet, see listen.ts. TLS, HTTP/2, authentication, response headers, rate limit and route prefix are no
 * business of the routes: what they see is a request for the path below the prefix (`request.url`; `request.originalUrl`
 * has all of it), the same for every listener and protocol.
 */
export function createServer(context: ServerContext): FastifyInstance {
  const { config, registry, logger, notReady } = context;
  const webServer = new WebServer(config, registry, logger, context.trials);
  const app = fastify({
    logger: false,
    // Also limits how long closing waits for the requests under way; that is the gateway's to decide.
    pluginTimeout: 0,
    // Requests that came before the last connection closes are served; new ones see a closed port.
    return503OnClosing: false,
    routerOptions: { ignoreTrailingSlash: false, maxParamLength: 64 * 1024 },
    exposeHeadRoutes: false,
    frameworkErrors: (error, _request, reply) => void sendText(reply as FastifyReply, 400, error.message),
  }) as unknown as FastifyInstance;
  // fastify's own server never listens: it has one, we have as many as there are addresses.
  app.decorate(WEB_SERVER, webServer);
  app.addHook('preClose', async () => await webServer.close());

  // Handlers read the body themselves (read-body.ts): bounded, before and after inflation.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, _payload, done) => done(null));

  serveNotFound(app, config.web.routePrefix);
  app.addHook('onRequest', async (request, reply) => {
    if (isEmptyGzip(request.raw) && !request.url.startsWith(API_PATH)) return await sendText(reply, 400, 'EOF');
    forgetUnknownType(request.headers);
    return undefined;
  });
  app.setErrorHandler(async (error: FastifyError, request, reply) => {
    const status = error.statusCode ?? 500;
    if (status >= 500)
      logger.error({ err: asError(error), method: request.method, url: request.url }, 'request failed');
    return await sendText(reply, status, status >= 500 ? 'internal error' : error.message);
  });

  app.get('/-/healthy', { config: { handlerName: 'healthy' } }, async (_request, reply) => await sendOk(reply));
  app.get('/-/ready', { config: { handlerName: 'ready' } }, async (_request, reply) => {
    const missing = notReady();
    return missing.length === 0 ? await sendOk(reply) : await sendText(reply, 503, missing.join('; '));
  });
  app.get(config.paths.telemetry, async (_request, reply) => {
    reply.type(registry.contentType);
    return await registry.metrics();
  });
  return app;
}

export function webServerOf(app: FastifyInstance): WebServer {
  return app.getDecorator<WebServer>(WEB_SERVER);
}

/** Two bytes, as the official gateway: there are checks that compare. */
async function sendOk(reply: FastifyReply): Promise<FastifyReply> {
  return await reply.type('text/plain; charset=utf-8').send('OK');
}

/** Would be refused with 415; for the official gateway it is a type like any other, none it knows. */
function forgetUnknownType(headers: IncomingHttpHeaders): void {
  const type = headers['content-type'];
  if (type !== undefined && !/^\s*[^\s/;]+\/[^\s/;]+\s*(?:;|$)/.test(type)) delete headers['content-type'];
}
