/**
 * The fastify app that all roles of a process share: errors in one line of plain text, probes, telemetry. Services add
 * their routes to it.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { fastify, type FastifyError, type FastifyInstance, type FastifyReply } from 'fastify';
import type { Registry } from 'prom-client';
import type { Config } from '../../config/config.ts';
import { asError } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import { badEncoding } from '../../model/parse-path.ts';
import { isEmptyGzip } from '../body/content-encoding.ts';
import { discardUnused } from '../body/discard-body.ts';
import { refuseCrossOrigin } from '../gate/cross-origin.ts';
import { API_PATH } from '../reply/api-reply.ts';
import { serveNotFound } from '../reply/not-found.ts';
import { sendText } from '../reply/send-text.ts';
import { pathOf } from '../request-url.ts';
import { Listeners, type ListenersOptions } from './listeners.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The route reads the body of its requests. Otherwise it is discarded. */
    readsBody?: boolean;
  }
}

const LISTENERS = Symbol('the listeners of an app');

interface AppContext {
  readonly config: Config;
  readonly registry: Registry;
  readonly logger: Logger;
  /** What is not ready yet, one line each; none = ready. */
  readonly notReady: () => readonly string[];
  readonly listenersOptions?: ListenersOptions;
}

/**
 * Does not listen yet, see listen(). TLS, HTTP/2, authentication, response headers, rate limit and route prefix do not
 * concern the routes: they receive the path below the prefix in `request.url` (`request.originalUrl` has the whole),
 * the same for every listener and protocol.
 */
export function createApp({ config, registry, logger, notReady, listenersOptions }: AppContext): FastifyInstance {
  const listeners = new Listeners(config, registry, logger, listenersOptions);
  const app = fastify({
    logger: false,
    // This timeout also limits how long close() waits for requests in flight; the gateway decides on that.
    pluginTimeout: 0,
    // Requests that arrive before the last connection closes are served.
    return503OnClosing: false,
    routerOptions: { ignoreTrailingSlash: false, maxParamLength: 64 * 1024 },
    exposeHeadRoutes: false,
    // The router cannot decode the path, so that there is no route, and no hook is called.
    frameworkErrors: (error, { raw, method, url }, reply) => {
      discardUnused(raw);
      const { code, message: reason } = badEncoding(pathOf(url), error);
      logger.debug({ method, url, status: 400, code, reason }, 'request refused');
      // The official gateway answers the first three words.
      void sendText(reply, 400, `400 Bad Request: ${reason}`);
    },
  }) as unknown as FastifyInstance;
  // fastify's own server never listens: it has one, and there may be several addresses.
  app.decorate(LISTENERS, listeners);
  app.addHook('preClose', async () => await listeners.close());

  // Handlers read the body themselves (read-body.ts), with a limit before and after inflation.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, _payload, done) => done(null));

  refuseCrossOrigin(app, config.web.externalUrl, () => listeners.turnedAway.inc({ reason: 'cross_origin' }));
  serveNotFound(app, config.web.routePrefix);
  app.addHook('onRequest', async (request, reply) => {
    if (isEmptyGzip(request.raw) && !request.url.startsWith(API_PATH)) return await sendText(reply, 400, 'EOF');
    dropInvalidType(request.headers);
    if (request.routeOptions.config.readsBody !== true) discardUnused(request.raw);
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

/**
 * Opens the configured addresses and returns the URL of the first, route prefix included. Rejects when an address
 * cannot be opened, and with GatewayError `config_invalid`, one line for each fault, when the web configuration cannot
 * be used. `app.close()` closes the addresses.
 */
export async function listen(app: FastifyInstance, config: Config): Promise<string> {
  await app.ready();
  const listeners = app.getDecorator<Listeners>(LISTENERS);
  return (await listeners.open((request, response) => app.routing(request, response))) + config.web.routePrefix;
}

/** Without a line end, as the official gateway answers: there are checks that compare the body. */
async function sendOk(reply: FastifyReply): Promise<FastifyReply> {
  return await reply.type('text/plain; charset=utf-8').send('OK');
}

/** fastify refuses an invalid type with 415; the official gateway treats it like any unknown type. */
function dropInvalidType(headers: IncomingHttpHeaders): void {
  const type = headers['content-type'];
  if (type !== undefined && !/^\s*[^\s/;]+\/[^\s/;]+\s*(?:;|$)/.test(type)) delete headers['content-type'];
}
