import type { Attack } from '../../attack.ts';
import { closed, pause, swarm } from '../../client/swarm.ts';

export const waitingPushes: Attack = {
  what: 'pushes that ask to wait for a year, conflicting pushes of one family from many jobs, and clients that leave',
  against: 'plain',
  clients: 100,
  start: async (target, signal) =>
    swarm(target, signal, async (client) => {
      const headers = { prefer: 'wait=31536000' };
      const type = client.index % 2 === 0 ? 'counter' : 'gauge';
      const body = `# TYPE contested ${type}\ncontested{n="${client.index % 5}"} 1\n`;
      if (client.index % 4 !== 0) {
        await client.call({ method: 'PUT', path: `/metrics/job/w${client.index}`, headers, body });
        return;
      }
      const socket = await client.connect();
      const head = `PUT /metrics/job/left HTTP/1.1\r\nHost: g\r\nPrefer: wait=99999\r\nContent-Length: ${body.length}\r\n`;
      socket.write(`${head}\r\n${body}`);
      await pause(client, client.index % 5);
      socket.destroy();
      await closed(socket);
    }),
};
