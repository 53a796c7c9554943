import { expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { startGateway, type Gateway } from '../../support/servers/gateway.ts';
import { sampleValue, select } from '../../support/metrics-text.ts';
import { freePort } from '../../support/process/ports.ts';
import { startRedis } from '../../support/redis/server.ts';
import { startCluster } from '../../support/redis/cluster.ts';
import { applied, type Answer } from '../../support/http/request.ts';

// Redis answers with temporary errors: pushes are held until it works again, and none is refused or lost.

const patient = { headers: { prefer: 'wait=25' }, timeoutMs: 40_000 };

function pushMany(gateway: Gateway, name: string): Promise<Answer[]> {
  const push = async (_: unknown, i: number) => gateway.push(`/metrics/job/${name}/n/${i}`, `${name} ${i}\n`, patient);
  return Promise.all(Array.from({ length: 40 }, push));
}

async function expectTaken(gateway: Gateway, name: string, held: Promise<Answer[]>): Promise<void> {
  expect((await held).map(({ status }) => status)).toEqual(Array.from({ length: 40 }, () => 200));
  expect(select(await gateway.scrape(), name)).toHaveLength(40);
  expect(sampleValue(await gateway.telemetry(), 'pushgateway_dead_letters')).toBe(0);
}

test('NOSCRIPT: the script cache is flushed repeatedly', async () => {
  const redis = await startRedis();
  const gateway = await startGateway({ redis });
  const held = pushMany(gateway, 'forgotten');
  for (let i = 0; i < 5; i++) await redis.cli('SCRIPT', 'FLUSH');
  await expectTaken(gateway, 'forgotten', held);
});

test('READONLY: the server is temporarily a replica', async () => {
  const redis = await startRedis();
  const gateway = await startGateway({ redis });
  await gateway.push('/metrics/job/before', 'before 1\n', applied);
  await redis.cli('REPLICAOF', '127.0.0.1', String(await freePort()));
  const held = pushMany(gateway, 'demoted');
  const refusals = async () => /errorstat_READONLY:count=(\d+)/.exec(await redis.cli('INFO', 'errorstats'))?.[1];
  await eventually(async () => Number((await refusals()) ?? 0) >= 3, { what: 'several refusals' });
  expect(sampleValue(await gateway.scrape(), 'before')).toBe(1);
  await redis.cli('REPLICAOF', 'NO', 'ONE');
  await expectTaken(gateway, 'demoted', held);
});

test('LOADING: the server loads a large file at its start', async () => {
  const redis = await startRedis({
    args: ['--key-load-delay', '2000', '--loading-process-events-interval-bytes', '1024'],
  });
  const gateway = await startGateway({ redis });
  await gateway.push('/metrics/job/before', 'before 1\n', applied);
  const fill = "for i = 1, 2000 do redis.call('SET', 'filler' .. i, string.rep('x', 1000)) end";
  await redis.cli('EVAL', fill, '0');
  await redis.kill();
  const back = redis.restart();
  const held = pushMany(gateway, 'loading');
  await eventually(async () => /LOADING/.test(await redis.cli('GET', 'x').catch(String)), {
    what: 'a server that loads',
  });
  expect(sampleValue(await gateway.scrape(), 'before')).toBe(1);
  await back.catch(() => undefined);
  await expectTaken(gateway, 'loading', held);
});

test('CLUSTERDOWN: some slots of the Cluster are not served', async () => {
  const cluster = await startCluster();
  const gateway = await startGateway({ redis: cluster });
  expect((await pushMany(gateway, 'before')).map(({ status }) => status)).not.toContain(503);
  const master = await cluster.masterOf('pgw:{0}:pushes');
  const [, port] = /slave0:ip=[^,]*,port=(\d+)/.exec(await master.cli('INFO', 'replication')) ?? [];
  const gone = cluster.nodes.filter((node) => node === master || String(node.port) === port);
  await Promise.all(gone.map(async (node) => node.kill()));
  const other = cluster.nodes.find((node) => !gone.includes(node));
  await eventually(async () => (await other?.cli('CLUSTER', 'INFO'))?.includes('cluster_state:fail') === true, {
    timeoutMs: 20_000,
  });
  const held = pushMany(gateway, 'down');
  expect(select(await gateway.scrape(), 'before')).toHaveLength(40);
  await Promise.all(gone.map(async (node) => node.restart()));
  await expectTaken(gateway, 'down', held);
});

test('on a Cluster, shards are spread over all masters', async () => {
  const cluster = await startCluster();
  const gateway = await startGateway({ redis: cluster });
  await pushMany(gateway, 'spread');
  for (const master of await cluster.masters()) {
    const keys = (await master.cli('--scan', '--pattern', 'pgw:{*}:pushes')).split('\n').filter((key) => key !== '');
    expect(keys.length).toBeGreaterThan(1);
  }
});
