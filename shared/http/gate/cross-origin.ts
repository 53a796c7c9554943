/**
 * Refuses what a browser sends on behalf of a page of another origin, which may be any web site that somebody with
 * access to this server has open. Without a word from its route, a request that may change something is refused, and
 * one that only reads is answered: the page that sent it cannot see the answer, except where a route says so (CORS).
 *
 * Browsers name the origin in `Origin` (every method but GET and HEAD) and, to HTTPS servers and to localhost, in
 * `Sec-Fetch-Site` (every request). Pages cannot change either. Other clients send neither.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { FastifyInstance } from 'fastify';
import type { CrossOriginPolicy } from '../../config/config.ts';
import { discardBody } from '../body/discard-body.ts';
import { hostOf } from '../request-url.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Default: `allow` for GET, HEAD and OPTIONS, `refuse` for other methods. */
    crossOrigin?: CrossOriginPolicy;
  }
}

const READING = new Set(['GET', 'HEAD', 'OPTIONS']);

/** `externalUrl`: as in --web.external-url; pages below it are our own. */
export function refuseCrossOrigin(app: FastifyInstance, externalUrl: string, onRefused: () => void): void {
  const externalOrigin = URL.canParse(externalUrl) ? new URL(externalUrl).origin : undefined;
  app.addHook('onRequest', (request, reply, done) => {
    const { headers, method, routeOptions } = request;
    const other = otherOrigin(headers, externalOrigin);
    const policy = routeOptions.config.crossOrigin ?? (READING.has(method) ? 'allow' : 'refuse');
    // Where there is no route, nothing happens.
    if (other === undefined || policy === 'allow' || request.is404) return done();
    onRefused();
    discardBody(request.raw);
    const expected = 'expected the origin of this server, or that of --web.external-url';
    reply
      .code(403)
      .type('text/plain; charset=utf-8')
      .send(`cannot accept ${method} from a page of another origin (${other}): ${expected}\n`);
  });
}

/** The other origin, or as much as is known of it; undefined if the request is our own page's or no page's. */
export function otherOrigin(headers: IncomingHttpHeaders, externalOrigin?: string): string | undefined {
  const { origin, 'sec-fetch-site': site } = headers;
  if (origin === undefined && site === undefined) return undefined;
  if (origin !== undefined && origin === externalOrigin) return undefined;
  // `none`: the user typed the address or opened a bookmark.
  if (site !== undefined) return site === 'same-origin' || site === 'none' ? undefined : (origin ?? site);
  return isOriginOf(hostOf(headers), origin) ? undefined : origin;
}

/**
 * Whether a page of the origin was loaded from this host. The scheme is not compared, because a proxy in front may speak
 * HTTPS. A sandboxed page has the origin `null`, which is nobody's.
 */
function isOriginOf(host = '', origin = 'null'): boolean {
  const own = `${origin.replace(/:.*$/, '')}://${host}`;
  return URL.canParse(origin) && URL.canParse(own) && new URL(own).host === new URL(origin).host;
}
