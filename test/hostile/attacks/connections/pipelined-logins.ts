import type { Attack } from '../../attack.ts';
import { flood, readAndCount, swarm } from '../../client/swarm.ts';

export const pipelinedLogins: Attack = {
  what: 'GET with another wrong password each time, repeated on a connection without waiting',
  against: 'secured',
  clients: 6,
  start: async (target, signal) =>
    swarm(target, signal, async (client) => {
      const socket = await client.connect();
      readAndCount(client, socket);
      let count = 0;
      await flood(client, socket, () => {
        const requests = Array.from({ length: 100 }, () => {
          const login = Buffer.from(`user0:wrong-${client.index}-${count++}`).toString('base64');
          return `GET /metrics HTTP/1.1\r\nHost: gateway\r\nAuthorization: Basic ${login}\r\n\r\n`;
        });
        return requests.join('');
      });
    }),
};
