/** Headers of all routes below /api/v1: they may be called from other origins and are never cached. */
import type { FastifyReply } from 'fastify';

export const API_PATH = '/api/v1';

export const API_HEADERS = {
  'Access-Control-Allow-Headers': 'Accept, Authorization, Content-Type, Origin',
  'Access-Control-Allow-Methods': 'GET, POST, DELETE, OPTIONS',
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Expose-Headers': 'Date',
  'Cache-Control': 'no-cache, no-store, must-revalidate',
} as const;

export function apiHeaders(reply: FastifyReply): FastifyReply {
  return reply.headers(API_HEADERS).type('application/json');
}
