import { describe, expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { startGateway, type Gateway } from '../../support/servers/gateway.ts';
import { sampleSum, sampleValue } from '../../support/metrics-text.ts';
import { startRedis, type RedisServer } from '../../support/redis/server.ts';
import { startCluster } from '../../support/redis/cluster.ts';
import { applied } from '../../support/http/request.ts';

// A push that cannot be applied becomes a dead letter, which can be inspected, replayed and dropped.

interface Letter {
  readonly id: string;
  readonly reason: string;
  readonly buried: string;
  readonly push: Record<string, string>;
  readonly body?: string;
}

const PATH = '/api/v1/dead-letters';

async function list(gateway: Gateway, query = ''): Promise<Letter[]> {
  const answer = await gateway.request(PATH + query);
  expect(answer, answer.text).toMatchObject({ status: 200 });
  return (JSON.parse(answer.text) as { data: Letter[] }).data;
}

/** The node and the key of the only group whose key ends like that. */
async function findGroup(nodes: readonly RedisServer[]): Promise<{ node: RedisServer; key: string }> {
  for (const node of nodes) {
    if ((await node.info('role')) !== 'master') continue;
    const [key] = (await node.cli('--scan', '--pattern', 'pgw:{*}:group:*')).split('\n').filter((one) => one !== '');
    if (key !== undefined) return { node, key };
  }
  throw new Error('no group is stored');
}

describe.for(['a server', 'a Cluster'] as const)('%s', (kind) => {
  async function start() {
    const cluster = kind === 'a Cluster' ? await startCluster() : undefined;
    const nodes = cluster?.nodes ?? [await startRedis()];
    const redis = { endpoint: nodes.map(({ endpoint }) => endpoint).join(',') };
    const gateway = await startGateway({ redis, args: ['--web.enable-admin-api'] });
    return { gateway, nodes };
  }

  test('dead letters are listed, inspected, replayed, dropped and counted', async () => {
    const { gateway, nodes } = await start();
    expect(await list(gateway)).toEqual([]);
    await gateway.push('/metrics/job/j/zone/eu', 'm 1\n', applied);

    // A foreign key is in the place of the group.
    const { node, key } = await findGroup(nodes);
    await node.cli('DEL', key);
    await node.cli('SET', key, 'not a hash');
    const padding = 'x'.repeat(10_000);
    const answer = await gateway.push('/metrics/job/j/zone/eu', `m 2\nbig{padding="${padding}"} 3\n`, applied);
    expect(answer, answer.text).toMatchObject({ status: 202 });
    expect(answer.text).toContain('dead letters');
    await gateway.push('/metrics/job/j/zone/eu', 'm 4\n', { ...applied, method: 'POST' });

    const letters = await list(gateway);
    expect(letters).toHaveLength(2);
    const [newest, oldest] = letters as [Letter, Letter];
    expect(newest.push).toMatchObject({ verb: 'POST', kind: 'push' });
    expect(oldest.push).toMatchObject({ verb: 'PUT', kind: 'push' });
    expect(oldest.reason).toContain('WRONGTYPE');
    expect(oldest.body).toBeUndefined();
    expect(Math.abs(Date.parse(oldest.buried) - Date.now())).toBeLessThan(60_000);
    expect(await list(gateway, '?limit=1')).toEqual([newest]);
    const telemetry = await gateway.telemetry();
    expect(sampleSum(telemetry, 'pushgateway_pushes_settled_total', { outcome: 'dead-lettered' })).toBe(2);
    await eventually(async () => sampleValue(await gateway.telemetry(), 'pushgateway_dead_letters') === 2);

    const inspected = await gateway.request(`${PATH}/${oldest.id}`);
    const { data } = JSON.parse(inspected.text) as { data: Letter };
    expect(data).toMatchObject({ id: oldest.id, reason: oldest.reason });
    expect(data.body).toContain('# {job="j", zone="eu"}');
    expect(data.body?.length).toBe(4_096);

    await node.cli('DEL', key);
    expect(await gateway.request(`${PATH}/${newest.id}`, { method: 'DELETE' })).toMatchObject({ status: 202 });
    expect(await gateway.request(`${PATH}/${oldest.id}/replay`, { method: 'POST' })).toMatchObject({ status: 202 });
    await eventually(async () => sampleValue(await gateway.scrape(), 'm') === 2);
    expect(await list(gateway)).toEqual([]);
    await eventually(async () => sampleValue(await gateway.telemetry(), 'pushgateway_dead_letters') === 0);

    for (const [path, method] of [
      [`/${oldest.id}`, 'GET'],
      [`/${oldest.id}/replay`, 'POST'],
      [`/${oldest.id}`, 'DELETE'],
      ['/nonsense', 'GET'],
      ['/999:1-1', 'DELETE'],
    ] as const) {
      expect(await gateway.request(PATH + path, { method }), path).toMatchObject({ status: 404 });
    }
    expect(await gateway.request(`${PATH}?limit=0`)).toMatchObject({ status: 400 });
  });
});

test('without --web.enable-admin-api the path does not exist', async () => {
  const gateway = await startGateway({ redis: await startRedis() });
  expect(await gateway.request(PATH)).toMatchObject({ status: 404 });
});

test('Redis is away: 503', async () => {
  const redis = await startRedis();
  const gateway = await startGateway({ redis, args: ['--web.enable-admin-api'] });
  await redis.kill();
  expect(await gateway.request(PATH)).toMatchObject({ status: 503 });
  expect(await gateway.request(`${PATH}/0:1-1/replay`, { method: 'POST' })).toMatchObject({ status: 503 });
});
