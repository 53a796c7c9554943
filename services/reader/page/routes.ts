/**
 * The web page, at / and /status: the list of groups, the content of a group, and the state of the gateway. It is
 * rendered on the server from the snapshot, so also while Redis is away. Its size is limited, however many groups there
 * are. Everything but deleting works without JavaScript.
 *
 *     ?q=TEXT|SELECTOR&failed=true&page=N     a list of groups
 *     ?group=ID[&family=NAME]                 one group
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { inSlices } from '../../../shared/async/time-slices.ts';
import { Turns } from '../../../shared/async/turns.ts';
import { clientKey } from '../../../shared/http/gate/client-address.ts';
import { sendText } from '../../../shared/http/reply/send-text.ts';
import { queryOf } from '../../../shared/http/request-url.ts';
import { groupPage } from './group-page.ts';
import { groupsPage } from './groups-page.ts';
import { renderPage, type PageContext } from './layout.ts';
import { statusPage } from './status-page.ts';

const SECURITY_HEADERS = {
  'Content-Security-Policy':
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
  'Referrer-Policy': 'same-origin',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
} as const;

const CACHE_FOREVER = 'public, max-age=31536000, immutable';

/** Pages that are made at once. */
const PAGE_LIMITS = { atOnce: 2, atOncePerClient: 1, waiting: 64, patienceMs: 10_000 } as const;

export function servePage(app: FastifyInstance, context: PageContext): void {
  const turns = new Turns(PAGE_LIMITS);
  for (const [path, listPage] of [
    ['/', groupsPage],
    ['/status', statusPage],
  ] as const) {
    app.get(path, { config: { handlerName: 'status' } }, async (request, reply) => {
      const end = await turns.take(clientKey(request.raw));
      if (end === undefined)
        return await sendText(reply.header('Retry-After', '1'), 503, 'too many pages are being made; try again later');
      try {
        const nowMs = Date.now();
        await inSlices((isOver) => context.snapshot.expire(nowMs, isOver));
        const query = queryOf(request.url);
        const groupId = query.get('group');
        const page =
          groupId !== null && context.feed.isComplete
            ? await groupPage(context, groupId, query.get('family'), nowMs)
            : await listPage(context, query, originOf(context, request), nowMs);
        if (page.status === 503) reply.header('Retry-After', '1');
        return await reply
          .code(page.status)
          .headers(SECURITY_HEADERS)
          .header('Cache-Control', 'no-store')
          .type('text/html; charset=utf-8')
          .send(renderPage(page, context, nowMs));
      } finally {
        end();
      }
    });
  }

  app.get('/static/:name', { config: { handlerName: 'static' } }, async (request, reply): Promise<FastifyReply> => {
    const asset = context.assets.get((request.params as { name: string }).name);
    if (asset === undefined) return await sendText(reply, 404, '404 page not found');
    // Behind a load balancer, the request may be meant for another version of the gateway.
    const isCurrent = queryOf(request.url).get('v') === asset.version;
    return await reply
      .headers(SECURITY_HEADERS)
      .header('Cache-Control', isCurrent ? CACHE_FOREVER : 'no-cache')
      .type(asset.type)
      .send(asset.content);
  });
}

function originOf({ config }: PageContext, request: FastifyRequest): string {
  const { externalUrl } = config.web;
  return externalUrl.includes('://') ? new URL(externalUrl).origin : `${request.protocol}://${request.host}`;
}
