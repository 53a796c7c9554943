import type { Attack } from '../../attack.ts';
import { swarm } from '../../client/swarm.ts';

/** Below the limit of families in one push. */
const FAMILIES = 10_000;

export const deletedFamilies: Attack = {
  what: 'families with names that occur once, pushed and deleted, without scrapes',
  against: 'plain',
  clients: 3,
  scrapes: false,
  start: async (target, signal) => {
    let count = 0;
    return swarm(target, signal, async (client) => {
      const path = `/metrics/job/deleted/n/${client.index}`;
      const names = Array.from({ length: FAMILIES }, () => `deleted_family_with_a_longer_name_${count++}`);
      client.tally.add('families', FAMILIES);
      const headers = { prefer: 'wait=5' };
      await client.call({ method: 'PUT', path, headers, body: names.map((name) => `${name} 1\n`).join('') });
      await client.call({ method: 'DELETE', path, headers });
    });
  },
};
