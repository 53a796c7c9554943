import type { FastifyReply } from 'fastify';

/** What is said in one line, errors above all. */
export async function sendText(reply: FastifyReply, status: number, line: string): Promise<FastifyReply> {
  return await reply.code(status).type('text/plain; charset=utf-8').send(`${line}\n`);
}
