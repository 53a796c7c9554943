/**
 * The page for people, at / and /status: what groups there are, what is in them, how the gateway runs. Rendered here, of
 * bounded size however many groups there are, and served from the snapshot, whether Redis is there or not. All of it works
 * without JavaScript but deleting, which no form can send.
 *
 *     ?q=TEXT|SELECTOR&failed=true&page=N     a list of groups
 *     ?group=ID[&family=NAME]                 one group
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { sendText } from '../../../shared/http/reply/send-text.ts';
import { groupPage } from './group-page.ts';
import { groupsPage } from './groups-page.ts';
import { documentOf, type Page, type PageContext } from './layout.ts';
import { statusPage } from './status-page.ts';
import { queryOf } from '../../../shared/http/request-url.ts';

const SECURITY_HEADERS = {
  'Content-Security-Policy':
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
  'Referrer-Policy': 'same-origin',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
} as const;

const A_YEAR = 'public, max-age=31536000, immutable';

export function servePage(app: FastifyInstance, context: PageContext): void {
  app.get('/', { config: { handlerName: 'status' } }, async (request, reply) => await send(request, reply, groupsPage));
  app.get('/status', { config: { handlerName: 'status' } }, async (request, reply) => {
    return await send(request, reply, statusPage);
  });

  type PageOf = typeof groupsPage;
  async function send(request: FastifyRequest, reply: FastifyReply, pageOf: PageOf): Promise<FastifyReply> {
    const nowMs = Date.now();
    context.snapshot.expire(nowMs);
    const query = queryOf(request.url);
    const group = query.get('group');
    const page: Page =
      group !== null && context.feed.isComplete
        ? groupPage(context, group, query.get('family'), nowMs)
        : pageOf(context, query, originOf(context, request), nowMs);
    if (page.status === 503) reply.header('Retry-After', '1');
    return await reply
      .code(page.status)
      .headers(SECURITY_HEADERS)
      .header('Cache-Control', 'no-store')
      .type('text/html; charset=utf-8')
      .send(documentOf(page, context, nowMs).text);
  }

  app.get<{ Params: { name: string } }>(
    '/static/:name',
    { config: { handlerName: 'static' } },
    async (request, reply) => {
      const asset = context.assets.get(request.params.name);
      if (asset === undefined) return await sendText(reply, 404, '404 page not found');
      // Another version of the gateway, behind the same load balancer, may have been meant.
      const isThis = queryOf(request.url).get('v') === asset.version;
      return await reply
        .headers(SECURITY_HEADERS)
        .header('Cache-Control', isThis ? A_YEAR : 'no-cache')
        .type(asset.type)
        .send(asset.content);
    },
  );
}

function originOf({ config }: PageContext, request: FastifyRequest): string {
  const { externalUrl } = config.web;
  return externalUrl.includes('://') ? new URL(externalUrl).origin : `${request.protocol}://${request.host}`;
}
