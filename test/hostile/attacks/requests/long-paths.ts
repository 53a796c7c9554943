import type { Attack } from '../../attack.ts';
import { swarm } from '../../client/swarm.ts';

const PATHS = [
  (i: number) => `/metrics/job/long/${Array.from({ length: 9_000 }, (_, n) => `l${n}/${i % 10}`).join('/')}`,
  () => `/metrics/job${'/a/b'.repeat(25_000)}`,
  () => `/metrics/job@base64/${'QUFB'.repeat(25_000)}`,
  () => `/metrics/job/x/l@base64/${'%51'.repeat(30_000)}`,
  () => `${'/..'.repeat(30_000)}/metrics`,
  () => `/${'/'.repeat(100_000)}`,
  () => `/metrics?${'shard=1/2&'.repeat(10_000)}`,
  () => `/api/v1/groups?${'match[]={a="b"}&'.repeat(6_000)}`,
  () => `/api/v1/groups?cursor=${'QUFB'.repeat(25_000)}`,
  () => `/api/v1/groups/${'A'.repeat(100_000)}`,
  () => `/${'%41'.repeat(30_000)}`,
];

export const longPaths: Attack = {
  what: 'paths and queries of 100 kB: thousands of labels, dots, slashes, parameters, escapes',
  against: 'plain',
  clients: 22,
  start: async (target, signal) =>
    swarm(target, signal, async (client) => {
      const path = PATHS[client.index % PATHS.length]?.(client.index) ?? '/';
      await client.call({ method: path.startsWith('/metrics/') ? 'PUT' : 'GET', path, body: 'long_path 1\n' });
      await client.call({ method: 'DELETE', path });
    }),
};
