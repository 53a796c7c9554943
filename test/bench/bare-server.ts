/**
 * Lower bound of the cost of a push: fastify receives it, ioredis appends it, nothing else. Built like the gateway, as
 * a program of its own:
 *
 *     node bare-server.js PORT REDIS-PORT [pipelined]
 */
import { fastify } from 'fastify';
import { Redis } from 'ioredis';

const [port, redisPort, mode] = process.argv.slice(2);
const redis = new Redis({ port: Number(redisPort), host: '127.0.0.1', enableAutoPipelining: mode === 'pipelined' });
const app = fastify({ logger: false });
app.removeAllContentTypeParsers();
app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
app.put('/metrics/job/:job/instance/:instance', async (request, reply) => {
  const { job, instance } = request.params as { job: string; instance: string };
  await redis.xadd('bare:pushes', '*', 'job', job, 'instance', instance, 'body', request.body as Buffer);
  return await reply.code(202).send();
});
await app.listen({ port: Number(port), host: '127.0.0.1' });
