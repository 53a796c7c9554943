/** Headers of the routes below /api/v1, which are never cached. */
import type { FastifyReply } from 'fastify';
import { pathOf } from '../request-url.ts';

export const API_PATH = '/api/v1';

/** What the official gateway lets the pages of any web site read; everything else is for our own pages alone. */
const OPEN_PATHS: ReadonlySet<string> = new Set([`${API_PATH}/metrics`, `${API_PATH}/status`]);

const OPEN_HEADERS = {
  'Access-Control-Allow-Headers': 'Accept, Authorization, Content-Type, Origin',
  'Access-Control-Allow-Methods': 'GET, POST, DELETE, OPTIONS',
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Expose-Headers': 'Date',
} as const;

export function apiHeaders(reply: FastifyReply): FastifyReply {
  return preflightHeaders(reply).type('application/json');
}

export function preflightHeaders(reply: FastifyReply): FastifyReply {
  reply.header('Cache-Control', 'no-cache, no-store, must-revalidate');
  return OPEN_PATHS.has(pathOf(reply.request.url)) ? reply.headers(OPEN_HEADERS) : reply;
}
