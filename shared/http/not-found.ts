/**
 * What a request for no route of ours is answered. As by the official gateway's router (httprouter), in this order: a redirect, where the
 * path is nearly that of a route; which methods there are, where only the method is wrong; 404.
 */
import type { FastifyInstance } from 'fastify';
import { sendText } from './send-text.ts';

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
    const [path = ''] = url.split('?', 1);
    const [meant] = routes.flatMap((route) => (route.method === method ? (meantPath(route, path) ?? []) : []));
    if (meant !== undefined) {
      reply.header('Location', routePrefix + meant + url.slice(path.length));
      return method === 'GET'
        ? await sendText(reply, 301, 'Moved Permanently')
        : await sendText(reply, 307, 'Temporary Redirect');
    }
    const allowed = METHODS.filter((other) => app.findRoute({ method: other, url: path }) !== null);
    if (allowed.length === 0) return await sendText(reply, 404, '404 page not found');
    reply.header('Allow', [...allowed, 'OPTIONS'].join(', '));
    return method === 'OPTIONS' ? await reply.code(200).send() : await sendText(reply, 405, 'Method Not Allowed');
  });
}

const METHODS = ['GET', 'POST', 'PUT', 'DELETE'] as const;

/** The path with which the route would have been found: without the slash at the end, with one, in other letters. */
function meantPath({ path: own, isPrefix }: Route, path: string): string | undefined {
  if (!isPrefix) {
    if (path === `${own}/` || `${path}/` === own) return own;
    return path.toLowerCase() === own.toLowerCase() ? own : undefined;
  }
  const start = path.slice(0, own.length);
  return start !== own && start.toLowerCase() === own.toLowerCase() ? own + path.slice(own.length) : undefined;
}
