/**
 * The answer to a request that matches no route, as the official gateway's router (httprouter) gives it: a redirect if
 * the path is almost that of a route, else 405 with the allowed methods if only the method is wrong, else 404.
 */
import type { FastifyInstance, FastifyReply } from 'fastify';
import { pathOf } from '../request-url.ts';
import { redirectTo, type RedirectStatus } from './redirect.ts';
import { sendText } from './send-text.ts';
import { API_PATH } from './api-reply.ts';

interface Route {
  readonly method: string;
  readonly path: string;
  /** Matches every path that begins with `path`. */
  readonly isPrefix: boolean;
}

/** Call it before the first route is added. `routePrefix` precedes the paths in redirects. */
export function serveNotFound(app: FastifyInstance, routePrefix: string): void {
  const routes: Route[] = [];
  app.addHook('onRoute', ({ method, url }) => {
    const isPrefix = url.endsWith('*');
    for (const one of [method].flat()) routes.push({ method: one, path: isPrefix ? url.slice(0, -1) : url, isPrefix });
  });
  app.setNotFoundHandler(async (request, reply) => {
    const { method, url } = request;
    const path = pathOf(url);
    // In the official gateway, ServeMux redirects this path.
    if (path === API_PATH) return await sendRedirect(reply, 301, `${routePrefix}${path}/${url.slice(path.length)}`);
    const [intended] = routes.flatMap((route) => (route.method === method ? (intendedPath(route, path) ?? []) : []));
    if (intended !== undefined) {
      return await sendRedirect(reply, method === 'GET' ? 301 : 307, routePrefix + intended + url.slice(path.length));
    }
    const allowed = METHODS.filter((other) => hasRoute(app, other, path));
    if (allowed.length === 0) return await sendText(reply, 404, '404 page not found');
    reply.header('Allow', [...allowed, 'OPTIONS'].toSorted().join(', '));
    return method === 'OPTIONS' ? await reply.code(200).send() : await sendText(reply, 405, 'Method Not Allowed');
  });
}

const METHODS = ['GET', 'POST', 'PUT', 'DELETE'] as const;

/** A wildcard route needs something after its prefix: `/metrics/job/` without a job does not match. */
function hasRoute(app: FastifyInstance, method: (typeof METHODS)[number], path: string): boolean {
  const route = app.findRoute({ method, url: path });
  return route !== null && route.params['*'] !== '';
}

/** The path of the route if it differs only in a slash at the end or in case. */
function intendedPath({ path: own, isPrefix }: Route, path: string): string | undefined {
  if (!isPrefix) {
    if (path === `${own}/` || `${path}/` === own) return own;
    return path.toLowerCase() === own.toLowerCase() ? own : undefined;
  }
  const start = path.slice(0, own.length);
  return start !== own && start.toLowerCase() === own.toLowerCase() ? own + path.slice(own.length) : undefined;
}

export async function sendRedirect(
  reply: FastifyReply,
  status: RedirectStatus,
  location: string,
): Promise<FastifyReply> {
  const { headers, body } = redirectTo(location, status, reply.request.method);
  // For an empty text fastify would set a Content-Type.
  return await reply
    .code(status)
    .headers(headers)
    .send(body === '' ? undefined : body);
}
