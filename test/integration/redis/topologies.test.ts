import { beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { startGateway, type Gateway } from '../../support/servers/gateway.ts';
import { stopwatch } from '../../support/process/machine-load.ts';
import { sampleLines, sampleValue, select } from '../../support/metrics-text.ts';
import { startRedis, startRedisOnSocket, type RedisServer } from '../../support/redis/server.ts';
import { startCluster } from '../../support/redis/cluster.ts';
import { startSentinel } from '../../support/redis/sentinel.ts';
import { applied } from '../../support/http/request.ts';

// Runs on every kind of Redis: push, wait, scrape, delete, expire, follow from another process, loss of a master.

interface Topology {
  readonly endpoint: string;
  readonly args: readonly string[];
  /** Kills a master, and returns when another one has replaced it. */
  readonly loseMaster?: () => Promise<unknown>;
}

const topologies: Record<string, () => Promise<Topology>> = {
  'a server with users and databases': async () => {
    const redis = await startRedis();
    await redis.cli('ACL', 'SETUSER', 'gateway', 'on', '>secret', '~*', '&*', '+@all');
    return { endpoint: redis.endpoint, args: ['--redis.username=gateway', '--redis.password=secret', '--redis.db=3'] };
  },
  'a unix socket': async () => ({ endpoint: (await startRedisOnSocket()).endpoint, args: [] }),
  Sentinel: async () => {
    const sentinel = await startSentinel();
    const args = [`--redis.master-name=${sentinel.masterName}`];
    return { endpoint: sentinel.endpoint, args, loseMaster: async () => sentinel.failOver() };
  },
  'a Cluster': async () => {
    const cluster = await startCluster();
    const loseMaster = async () => cluster.failOver(await cluster.masterOf('pgw:{0}:groups'));
    return { endpoint: cluster.endpoint, args: [], loseMaster };
  },
  'a Cluster, one seed': async () => {
    const { endpoint } = await startCluster();
    return { endpoint: endpoint.split(',')[0] ?? '', args: [] };
  },
};

const replicated = ['Sentinel', 'a Cluster'];

describe.for(Object.entries(topologies))('%s', ([name, start]) => {
  let topology: Topology;
  let gateway: Gateway;

  beforeAll(async () => {
    topology = await start();
    gateway = await startGateway({ redis: topology, args: topology.args });
  });

  /** Groups in every shard. */
  const many = Array.from({ length: 64 }, (_, i) => i);

  async function pushMany(value: number): Promise<void> {
    const answers = await Promise.all(
      many.map(async (i) => gateway.push(`/metrics/job/many/n/${i}`, `many ${value + i}\n`, applied)),
    );
    for (const answer of answers) expect(answer, answer.text).toMatchObject({ status: 200 });
  }

  test('a push with Prefer: wait is in the next scrape, and so is its DELETE', async () => {
    await gateway.push('/metrics/job/one', 'one{a="b"} 1\n', applied);
    await gateway.ingest('series{a="1"} 1\nseries{a="2"} 2\n', applied);
    expect(sampleLines(await gateway.scrape())).toEqual([
      'one{a="b",instance="",job="one"} 1',
      'series{a="1"} 1',
      'series{a="2"} 2',
    ]);
    await gateway.delete('/metrics/job/one', applied);
    expect(select(await gateway.scrape(), 'one')).toEqual([]);
  });

  test('all shards work, and another process shows the same shortly after', async () => {
    await pushMany(100);
    const reader = await startGateway({ redis: topology, args: topology.args, role: 'reader' });
    expect(await reader.scrape()).toBe(await gateway.scrape());
    await pushMany(200);
    const text = await gateway.scrape();
    for (const i of many) expect(sampleValue(text, 'many', { n: String(i) })).toBe(200 + i);
    // Faster than any poll, so the notifications of every node arrive.
    await eventually(async () => expect(await reader.scrape()).toBe(await gateway.scrape()), { timeoutMs: 900 });
  });

  test('expired groups disappear', async () => {
    await gateway.push('/metrics/job/short?ttl=3s', 'short 1\n', applied);
    expect(sampleValue(await gateway.scrape(), 'short')).toBe(1);
    await eventually(async () => select(await gateway.scrape(), 'short').length === 0, { timeoutMs: 4_000 });
  });

  if (replicated.includes(name)) {
    test('pushes are held during the loss of a master, and none is lost', async () => {
      await pushMany(300);
      const lost = topology.loseMaster?.();
      // One after the other, so that some fall into every phase of the failover.
      const statuses: number[] = [];
      for (const i of many.slice(0, 16)) {
        statuses.push((await gateway.push(`/metrics/job/held/n/${i}`, `held ${i}\n`, { method: 'POST' })).status);
      }
      await lost;
      expect(statuses).toEqual(statuses.map(() => 202));
      await pushMany(400);
      const text = await gateway.scrape();
      for (const i of many) expect(sampleValue(text, 'many', { n: String(i) })).toBe(400 + i);
      await eventually(async () => select(await gateway.scrape(), 'held').length === 16);
      expect(sampleValue(await gateway.telemetry(), 'pushgateway_dead_letters')).toBe(0);
      await gateway.waitUntilReady();
    });
  }

  test('the gateway stops gracefully', async () => {
    expect(await gateway.stop()).toEqual({ code: 0, signal: null });
  });
});

test('the gateway stops although all nodes of the Cluster have died', async () => {
  const { endpoint, nodes } = await startCluster();
  const gateway = await startGateway({ redis: { endpoint } });
  await Promise.all(nodes.map(async (node: RedisServer) => node.kill()));
  await eventually(async () => (await gateway.request('/-/ready')).status === 503);
  const took = stopwatch();
  expect(await gateway.stop()).toEqual({ code: 0, signal: null });
  expect(took()).toBeLessThan(5_000);
});
