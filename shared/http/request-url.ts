import type { FastifyRequest } from 'fastify';

/** The query of a request's URL. */
export function queryOf({ url }: Pick<FastifyRequest, 'url'>): URLSearchParams {
  const question = url.indexOf('?');
  return new URLSearchParams(question === -1 ? '' : url.slice(question + 1));
}
