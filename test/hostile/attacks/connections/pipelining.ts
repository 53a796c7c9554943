import type { Attack } from '../../attack.ts';
import { flood, neverRead, readAndCount, swarm } from '../../client/swarm.ts';

const HEAD = 'Host: gateway\r\n';
const push = (job: string, body: string): string =>
  `PUT /metrics/job/${job} HTTP/1.1\r\n${HEAD}Content-Length: ${body.length}\r\n\r\n${body}`;

/** Each is repeated on one connection without waiting for answers. */
const REQUESTS = [
  push('pipelined', 'a 1\n'),
  `DELETE /metrics/job/pipelined HTTP/1.1\r\n${HEAD}\r\n`,
  `GET /metrics HTTP/1.1\r\n${HEAD}\r\n`,
  `GET /api/v1/status HTTP/1.1\r\n${HEAD}\r\n`,
  `POST /metrics/job/chunked HTTP/1.1\r\n${HEAD}Transfer-Encoding: chunked\r\n\r\n4\r\nb 2\n\r\n0\r\n\r\n`,
  `POST /metrics/job/expected HTTP/1.1\r\n${HEAD}Expect: 100-continue\r\nContent-Length: 4\r\n\r\nc 3\n`,
  `HEAD /nowhere HTTP/1.1\r\n${HEAD}\r\n`,
  push('invalid', '}}'),
  `OPTIONS * HTTP/1.1\r\n${HEAD}\r\n`,
];

export const pipelining: Attack = {
  what: 'one kind of request repeated on a connection without waiting; half of the clients never read',
  against: 'plain',
  clients: 18,
  start: async (target, signal) =>
    swarm(target, signal, async (client) => {
      const socket = await client.connect();
      if (Math.floor(client.index / REQUESTS.length) % 2 === 0) neverRead(socket);
      else readAndCount(client, socket);
      const requests = Buffer.from((REQUESTS[client.index % REQUESTS.length] ?? '').repeat(200));
      await flood(client, socket, () => requests);
    }),
};
