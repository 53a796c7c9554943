/**
 * What a request for no route of ours is answered. As by the official gateway's router (httprouter), in this order: a redirect, where the
 * path is nearly that of a route; which methods there are, where only the method is wrong; 404.
 */
import type { FastifyInstance, FastifyReply } from 'fastify';
import { pathOf } from '../request-url.ts';
import { redirectTo, type RedirectStatus } from './redirect.ts';
import { sendText } from './send-text.ts';
import { API_PATH } from './api-reply.ts';

interface Route {
  readonly method: string;
  readonly path: string;
  /** Any path that begins so. */
  readonly isPrefix: boolean;
}

/** To be called before the first route is added. `routePrefix` is what stands before the paths of all routes. */
export function serveNotFound(app: FastifyInstance, routePrefix: string): void {
  const routes: Route[] = [];
  app.addHook('onRoute', ({ method, url }) => {
    const isPrefix = url.endsWith('*');
    for (const one of [method].flat()) routes.push({ method: one, path: isPrefix ? url.slice(0, -1) : url, isPrefix });
  });
  app.setNotFoundHandler(async (request, reply) => {
    const { method, url } = request;
    const path = pathOf(url);
    // Where others answer, by ServeMux.
    if (path === API_PATH) return await sendRedirect(reply, 301, `${routePrefix}${path}/${url.slice(path.length)}`);
    const [meant] = routes.flatMap((route) => (route.method === method ? (meantPath(route, path) ?? []) : []));
    if (meant !== undefined) {
      return await sendRedirect(reply, method === 'GET' ? 301 : 307, routePrefix + meant + url.slice(path.length));
    }
    const allowed = METHODS.filter((other) => hasRoute(app, other, path));
    if (allowed.length === 0) return await sendText(reply, 404, '404 page not found');
    reply.header('Allow', [...allowed, 'OPTIONS'].toSorted().join(', '));
    return method === 'OPTIONS' ? await reply.code(200).send() : await sendText(reply, 405, 'Method Not Allowed');
  });
}

const METHODS = ['GET', 'POST', 'PUT', 'DELETE'] as const;

/** Ours go on where there has to be something more: `/metrics/job/` without a job is no route. */
function hasRoute(app: FastifyInstance, method: (typeof METHODS)[number], path: string): boolean {
  const route = app.findRoute({ method, url: path });
  return route !== null && route.params['*'] !== '';
}

/** The path with which the route would have been found: without the slash at the end, with one, in other letters. */
function meantPath({ path: own, isPrefix }: Route, path: string): string | undefined {
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
  // An empty text would be given a type.
  return await reply
    .code(status)
    .headers(headers)
    .send(body === '' ? undefined : body);
}
