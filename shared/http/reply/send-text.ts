import type { FastifyReply } from 'fastify';

/** Sends one line of plain text, mostly an error. */
export async function sendText(reply: FastifyReply, status: number, line: string): Promise<FastifyReply> {
  return await reply.code(status).type('text/plain; charset=utf-8').send(`${line}\n`);
}
