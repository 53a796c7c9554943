import { expect, test } from 'vitest';
import { Cluster } from 'ioredis';
import { loadConfig } from '../../../shared/config/read/load.ts';
import { createLogger } from '../../../shared/logger.ts';
import type { RedisClient } from '../../../shared/redis/connection/client.ts';
import type { Purpose } from '../../../shared/redis/connection/connection-options.ts';
import { Connections } from '../../../shared/redis/connection/connections.ts';
import { eventually } from '../../support/eventually.ts';
import { startCluster } from '../../support/redis/cluster.ts';
import { startSentinel } from '../../support/redis/sentinel.ts';
import { hold } from '../../support/process/resources.ts';

// Each connection recovers from a failover, in whatever state it was.

async function connect(...flags: string[]): Promise<Connections> {
  const loaded = loadConfig({ argv: ['all', ...flags], env: {} });
  if (loaded.kind !== 'config') throw new Error('these are no settings');
  const connections = new Connections(loaded.config.redis, createLogger({ level: 'error', format: 'logfmt' }));
  hold('connections', async () => await Promise.resolve(connections.destroy()));
  await connections.detect(AbortSignal.timeout(20_000));
  return connections;
}

/** Enough pushes for each moment at which a failover can happen. */
function openMany(connections: Connections): RedisClient[] {
  const purposes: readonly Purpose[] = ['commands', 'blocking', 'jobs'];
  return Array.from({ length: 60 }, (_, i) => connections.open(purposes[i % 3] ?? 'commands', `many-${i}`));
}

async function answers(client: RedisClient): Promise<boolean> {
  const key = 'a-key';
  return client.set(key, '1').then(
    () => true,
    () => false,
  );
}

async function expectAllToAnswer(clients: readonly RedisClient[]): Promise<void> {
  await Promise.all(
    clients.map(async (client) => eventually(async () => answers(client), { timeoutMs: 20_000, what: client.status })),
  );
}

async function expectToEnd(connections: Connections, clients: readonly RedisClient[]): Promise<void> {
  let ended = 0;
  for (const client of clients) client.once('end', () => ended++);
  for (const client of clients) connections.close(client);
  await eventually(() => expect(ended).toBe(clients.length));
}

test('Sentinel', async () => {
  const sentinel = await startSentinel();
  const connections = await connect(
    `--redis.endpoint=${sentinel.endpoint}`,
    `--redis.master-name=${sentinel.masterName}`,
  );
  const clients = openMany(connections);
  await expectAllToAnswer(clients);
  await sentinel.failOver();
  await expectAllToAnswer(clients);
  await expectToEnd(connections, clients);
});

test('a Cluster', async () => {
  const cluster = await startCluster();
  const connections = await connect(`--redis.endpoint=${cluster.endpoint}`);
  const clients = openMany(connections);
  expect(clients.every((client) => client instanceof Cluster)).toBe(true);
  await expectAllToAnswer(clients);
  await cluster.failOver(await cluster.masterOf('a-key'));
  await expectAllToAnswer(clients);
  await expectToEnd(connections, clients);
});
