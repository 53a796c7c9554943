import type { Attack } from '../../attack.ts';
import { swarm } from '../../client/swarm.ts';

export const loginFlood: Attack = {
  what: 'wrong passwords from 30 addresses, of users that exist and that do not, short and of 60 kB',
  against: 'secured',
  clients: 240,
  start: async (target, signal) => {
    let count = 0;
    return swarm(target, signal, async (client) => {
      const user = client.index % 3 === 0 ? `nobody-${count}` : `user${client.index % 40}`;
      const password = client.index % 8 === 0 ? 'p'.repeat(60_000) + String(count++) : `wrong ${count++}`;
      const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
      await client.call({ method: 'GET', path: '/metrics', headers: { authorization } });
    });
  },
};
