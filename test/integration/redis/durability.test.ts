import { describe, expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { startGateway, type Gateway } from '../../support/servers/gateway.ts';
import { stopwatch } from '../../support/process/machine-load.ts';
import { sampleSum, sampleValue, select } from '../../support/metrics-text.ts';
import { findNewerRedis, findOlderRedis } from '../../support/redis/versions.ts';
import { startRedis, type RedisServer } from '../../support/redis/server.ts';
import { startCluster } from '../../support/redis/cluster.ts';
import { startSentinel } from '../../support/redis/sentinel.ts';
import { applied, keepAlive, type Answer } from '../../support/http/request.ts';

// --push.durability on every topology: acknowledged pushes are stored as promised; others are answered 503 with the
// reason.

const newer = await findNewerRedis();
const older = await findOlderRedis();

async function startReplica(master: RedisServer): Promise<RedisServer> {
  const replica = await startRedis({ args: ['--replicaof', '127.0.0.1', String(master.port)] });
  await eventually(async () => (await replica.info('master_link_status')) === 'up', { timeoutMs: 20_000 });
  return replica;
}

async function calls(server: RedisServer, command: string): Promise<number> {
  const stats = await server.cli('INFO', 'commandstats');
  return Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(stats)?.[1] ?? 0);
}

/** Many at a time. */
async function pushMany(gateway: Gateway, name: string, count: number): Promise<Answer[]> {
  const agent = keepAlive(32);
  try {
    const push = async (_: unknown, i: number) =>
      gateway.push(`/metrics/job/${name}/n/${i}`, `${name} ${i}\n`, { agent });
    return await Promise.all(Array.from({ length: count }, push));
  } finally {
    agent.destroy();
  }
}

function expectTaken(answers: readonly Answer[]): void {
  expect(answers.filter(({ status }) => status !== 202).map(({ status, text }) => `${status} ${text}`)).toEqual([]);
}

function expectIndeterminate(answer: Answer, reason: RegExp): void {
  expect(answer, answer.text).toMatchObject({ status: 503, headers: { 'retry-after': '1' } });
  expect(answer.text).toMatch(/^indeterminate: [^\n]*\n$/);
  expect(answer.text).toMatch(reason);
}

const NO_WAITAOF = 'no server with WAITAOF (Redis 7.2, Valkey) is installed';

describe('replica', () => {
  test('--redis.wait-replicas is enough; one WAIT confirms a whole flush', async () => {
    const redis = await startRedis();
    await startReplica(redis);
    const gateway = await startGateway({ redis, args: ['--redis.wait-replicas=1'] });
    expectTaken(await pushMany(gateway, 'flushed', 400));
    expect(await calls(redis, 'xadd')).toBeGreaterThanOrEqual(400);
    const waits = await calls(redis, 'wait');
    expect(waits).toBeGreaterThan(0);
    expect(waits).toBeLessThan(100);
  });

  test('a short absence of a replica delays pushes; during a long one they are answered 503 with the reason', async () => {
    const redis = await startRedis();
    const replica = await startReplica(redis);
    const gateway = await startGateway({ redis, args: ['--redis.wait-replicas=1', '--push.timeout=4s'] });
    await gateway.push('/metrics/job/before', 'before 1\n', applied);

    replica.pause();
    const held = gateway.push('/metrics/job/held', 'held 1\n', applied);
    await eventually(async () => (await calls(redis, 'wait')) >= 2);
    replica.resume();
    expect(await held).toMatchObject({ status: 200 });

    replica.pause();
    const took = stopwatch();
    const before = await calls(redis, 'wait');
    const short = gateway.push('/metrics/job/short', 'short 1\n');
    await eventually(async () => (await calls(redis, 'wait')) > before, { intervalMs: 5 });
    const behind = gateway.push('/metrics/job/behind', 'behind 1\n');
    expectIndeterminate(await short, /0 of 1 replicas confirmed it \(--push\.durability\)/);
    expect(took()).toBeLessThan(9_000);
    expect(await behind).toMatchObject({ status: 503, text: expect.stringContaining('nothing was stored') });
    expect((await behind).text).toContain('pushes before it are not durable: 0 of 1 replicas confirmed it');
    // The absence is now longer than the limit.
    const late = await gateway.push('/metrics/job/late', 'late 1\n');
    expectIndeterminate(late, /0 of 1 replicas confirmed it/);
    replica.resume();
    await eventually(async () => (await gateway.push('/metrics/job/next', 'next 1\n')).status === 202);
    const settled = sampleSum(await gateway.telemetry(), 'pushgateway_pushes_settled_total', { outcome: 'applied' });
    expect(settled).toBeLessThanOrEqual(5);
    expect(sampleValue(await gateway.scrape(), 'behind')).toBeUndefined();
  });

  test('on a Cluster, each shard waits for the replicas of its own master', async () => {
    const cluster = await startCluster();
    const gateway = await startGateway({ redis: cluster, args: ['--redis.wait-replicas=1', '--push.timeout=6s'] });
    expectTaken(await pushMany(gateway, 'all', 100));
    const master = await cluster.masterOf('pgw:{0}:pushes');
    const [, port] = /slave0:ip=[^,]*,port=(\d+)/.exec(await master.cli('INFO', 'replication')) ?? [];
    const replica = cluster.nodes.find((node) => String(node.port) === port);
    const shards = await Promise.all(
      Array.from({ length: 16 }, async (_, n) => (await cluster.masterOf(`pgw:{${n}}:pushes`)) === master),
    );
    replica?.pause();
    try {
      const answers = await pushMany(gateway, 'some', 100);
      const part = shards.filter(Boolean).length / shards.length;
      const short = answers.filter(({ status }) => status === 503);
      expect(part).toBeGreaterThan(0.1);
      expect(part).toBeLessThan(0.6);
      expect(short.length / answers.length).toBeGreaterThan(part / 2);
      expect(short.length / answers.length).toBeLessThan(Math.min(1, part * 2));
      for (const { text } of short)
        expect(text).toMatch(/^(indeterminate: |pushes before it are not durable: )0 of 1 replicas/);
      expect(answers.filter(({ status }) => status === 202)).toHaveLength(answers.length - short.length);
    } finally {
      replica?.resume();
    }
  });

  test('during a Sentinel failover no push is refused or lost', async () => {
    const sentinel = await startSentinel();
    const args = [`--redis.master-name=${sentinel.masterName}`, '--redis.wait-replicas=1'];
    const gateway = await startGateway({ redis: sentinel, args });
    const answers: Promise<Answer>[] = [];
    const over = sentinel.failOver().then(() => true);
    let isOver = false;
    while (!isOver || answers.length < 200) {
      const i = answers.length;
      answers.push(gateway.push(`/metrics/job/failover/n/${i}`, `failover ${i}\n`, { timeoutMs: 40_000 }));
      isOver = await Promise.race([over, new Promise<boolean>((done) => setTimeout(() => done(isOver), 20))]);
    }
    expectTaken(await Promise.all(answers));
    const missing = async (): Promise<number[]> => {
      const shown = new Set(select(await gateway.scrape(), 'failover').map(({ value }) => value));
      return answers.map((_, i) => i).filter((i) => !shown.has(i));
    };
    await eventually(async () => expect(await missing()).toEqual([]), { timeoutMs: 10_000 });
    expect(sampleValue(await gateway.telemetry(), 'pushgateway_dead_letters')).toBe(0);
  });
});

const ALWAYS = ['--appendonly', 'yes', '--appendfsync', 'always'];

describe('disk', () => {
  const args = ['--push.durability=disk'];

  test.for([
    ['everysec', ['--appendfsync', 'everysec'], /appendfsync \\?"everysec\\?"/],
    ['without a file', ['--appendonly', 'no'], /append-only|appendonly/],
  ] as const)('%s: before Redis 7.2 the start stops with one line', async ([, redisArgs, reason], { skip }) => {
    skip(older === undefined, 'no server without WAITAOF (Redis before 7.2) is installed');
    const redis = await startRedis({ args: redisArgs, ...(older && { program: older }) });
    const gateway = await startGateway({ redis, args, waitUntilReady: false });
    await eventually(() => gateway.process.exit !== undefined, { timeoutMs: 10_000 });
    const lines = gateway.process.log().match(/^.*level=(warn|error).*$/gm) ?? [];
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/cannot promise --push\.durability=disk/);
    expect(lines[0]).toMatch(reason);
  });

  test.for(['a server', 'Sentinel', 'a Cluster'] as const)(
    '%s: acknowledged pushes survive kill -9 of every server',
    async (kind) => {
      const sentinel = kind === 'Sentinel' ? await startSentinel({ args: ALWAYS }) : undefined;
      const cluster = kind === 'a Cluster' ? await startCluster({ args: ALWAYS }) : undefined;
      const alone = kind === 'a server' ? await startRedis({ args: ALWAYS }) : undefined;
      const redis = sentinel ?? cluster ?? alone ?? { endpoint: '' };
      const nodes = sentinel?.nodes ?? cluster?.nodes ?? (alone === undefined ? [] : [alone]);
      const own = [...args, ...(sentinel === undefined ? [] : [`--redis.master-name=${sentinel.masterName}`])];
      const gateway = await startGateway({ redis, args: own });
      expectTaken(await pushMany(gateway, 'synced', 100));
      await Promise.all(nodes.map(async (node) => node.kill()));
      await Promise.all(nodes.map(async (node) => node.restart()));
      await eventually(async () => select(await gateway.scrape(), 'synced').length === 100, { timeoutMs: 30_000 });
      const again = await gateway.push('/metrics/job/again', 'again 1\n', { headers: { prefer: 'wait=20' } });
      expect(again).toMatchObject({ status: 200 });
      expect(select(await gateway.scrape(), 'synced')).toHaveLength(100);
    },
  );

  test('after CONFIG SET, or on a master with another setting: 503 while the setting is too weak', async () => {
    const sentinel = await startSentinel({ args: ALWAYS });
    const master = await sentinel.master();
    for (const node of sentinel.nodes) if (node !== master) await node.cli('CONFIG', 'SET', 'appendfsync', 'everysec');
    const own = [...args, `--redis.master-name=${sentinel.masterName}`];
    const gateway = await startGateway({ redis: sentinel, args: own });
    expectTaken([await gateway.push('/metrics/job/j', 'm 1\n')]);
    await master.cli('CONFIG', 'SET', 'appendfsync', 'no');
    expectIndeterminate(await gateway.push('/metrics/job/j', 'm 2\n'), /appendfsync "no"/);
    await master.cli('CONFIG', 'SET', 'appendfsync', 'always');
    expectTaken([await gateway.push('/metrics/job/j', 'm 3\n')]);

    const next = await sentinel.failOver();
    expectIndeterminate(await gateway.push('/metrics/job/j', 'm 4\n'), /appendfsync "everysec"/);
    await next.cli('CONFIG', 'SET', 'appendfsync', 'always');
    expectTaken([await gateway.push('/metrics/job/j', 'm 5\n')]);
  });

  describe('with WAITAOF', () => {
    test('with appendfsync everysec, one WAITAOF confirms many pushes', async ({ skip }) => {
      skip(newer === undefined, NO_WAITAOF);
      const redis = await startRedis({ args: ['--appendfsync', 'everysec'], ...(newer && { program: newer }) });
      const gateway = await startGateway({ redis, args });
      expectTaken(await pushMany(gateway, 'synced', 400));
      const waits = await calls(redis, 'waitaof');
      expect(waits).toBeGreaterThan(0);
      expect(waits).toBeLessThan(50);
      await redis.kill();
      await redis.restart();
      await eventually(async () => select(await gateway.scrape(), 'synced').length === 400, { timeoutMs: 10_000 });
    });

    test('503 after the append-only file is switched off', async ({ skip }) => {
      skip(newer === undefined, NO_WAITAOF);
      const redis = await startRedis({ args: ALWAYS, ...(newer && { program: newer }) });
      const gateway = await startGateway({ redis, args });
      expectTaken([await gateway.push('/metrics/job/j', 'm 1\n')]);
      await redis.cli('CONFIG', 'SET', 'appendonly', 'no');
      expectIndeterminate(
        await gateway.push('/metrics/job/j', 'm 2\n'),
        /Redis does not confirm the push \(.*appendonly/,
      );
      await redis.cli('CONFIG', 'SET', 'appendonly', 'yes');
      await eventually(async () => (await gateway.push('/metrics/job/j', 'm 3\n')).status === 202);
    });
  });
});
