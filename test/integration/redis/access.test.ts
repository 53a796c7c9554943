import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { startGateway, type Gateway } from '../../support/servers/gateway.ts';
import { sampleSum, sampleValue } from '../../support/metrics-text.ts';
import { projectFolder } from '../../support/project.ts';
import { startRedis } from '../../support/redis/server.ts';
import { makeAuthority, tlsFiles, type RedisAccess } from '../../support/redis/access.ts';
import { redisCli } from '../../support/redis/cli.ts';
import { startCluster, type ClusterTopology } from '../../support/redis/cluster.ts';
import { startSentinel } from '../../support/redis/sentinel.ts';
import { applied } from '../../support/http/request.ts';

// Authentication, TLS and databases on every kind of Redis, and the log lines when the connection fails.

interface Options {
  readonly access?: RedisAccess;
  readonly sentinelPassword?: string;
}

interface Started {
  readonly endpoint: string;
  readonly args: readonly string[];
}

const kinds: Record<string, (options: Options) => Promise<Started>> = {
  'a server': async ({ access = {} }) => ({ endpoint: (await startRedis({ access })).endpoint, args: [] }),
  Sentinel: async (options) => {
    const { endpoint, masterName } = await startSentinel(options);
    return { endpoint, args: [`--redis.master-name=${masterName}`] };
  },
  'a Cluster': async ({ access = {} }) => ({ endpoint: (await startCluster({ access })).endpoint, args: [] }),
};

/** Log lines of a gateway on a machine that is too busy to connect in time. */
const SLOW_CONNECTION = /^.*reason="(no connection to Redis|Connection is closed\.)".*$/gm;

/** A server without passwords, for tests that do not change it. */
let cluster: ClusterTopology;

beforeAll(async () => {
  cluster = await startCluster();
});

/** Pushes to every shard, and waits until another process shows the pushes. */
async function expectWorking(gateway: Gateway, redis: Started, args: readonly string[]): Promise<void> {
  const all = Array.from({ length: 48 }, (_, i) => i);
  const push = async (value: number) =>
    Promise.all(all.map(async (i) => gateway.push(`/metrics/job/j/n/${i}`, `m ${value + i}\n`, applied)));
  const expectPushed = async (value: number) => {
    for (const answer of await push(value)) expect(answer, answer.text).toMatchObject({ status: 200 });
  };
  await expectPushed(0);
  const reader = await startGateway({ redis, args, role: 'reader' });
  await expectPushed(100);
  // Faster than a poll, so notifications arrive as well.
  await eventually(
    async () => {
      const text = await reader.scrape();
      for (const i of all) expect(sampleValue(text, 'm', { n: String(i) })).toBe(100 + i);
    },
    { timeoutMs: 900 },
  );
}

/** Starts a gateway that listens, but cannot connect to Redis. */
async function startOutside(redis: Started, args: readonly string[]): Promise<Gateway> {
  const gateway = await startGateway({ redis, args: [...redis.args, ...args], waitUntilReady: false });
  await gateway.process.waitForHttp(`${gateway.url}/-/healthy`);
  return gateway;
}

/** Checks that the gateway does not connect, and logs the reason once although it tries repeatedly. */
async function expectOneLine(redis: Started, args: readonly string[], pattern: RegExp): Promise<void> {
  const gateway = await startOutside(redis, args);
  await gateway.process.waitForLine(/Redis does not answer/, 15_000);
  const stated = () => gateway.process.log().match(/^.*level=(warn|error).*$/gm) ?? [];
  expect((await gateway.request('/-/ready')).status).toBe(503);
  await gateway.stop();
  const lines = stated().filter((line) => !line.includes('tls-skip-verify'));
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(pattern);
}

async function expectRefusal(redis: Started, args: readonly string[], pattern: RegExp): Promise<void> {
  const gateway = await startGateway({ redis, args: [...redis.args, ...args], waitUntilReady: false });
  await eventually(() => gateway.process.exit !== undefined, { timeoutMs: 15_000, what: 'the end of the gateway' });
  expect(gateway.process.exit).toEqual({ code: 1, signal: null });
  const lines = gateway.process.log().match(/^.*level=(warn|error).*$/gm) ?? [];
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(pattern);
}

describe.for(Object.entries(kinds))('%s', ([kind, start]) => {
  test('a password', async () => {
    const redis = await start({ access: { password: 'se cret#' }, sentinelPassword: 'watch' });
    const sentinel = kind === 'Sentinel' ? ['--redis.sentinel-password=watch'] : [];
    const args = [...redis.args, '--redis.password=se cret#', ...sentinel];
    await Promise.all([
      startGateway({ redis, args }).then(async (gateway) => expectWorking(gateway, redis, args)),
      expectOneLine(redis, ['--redis.password=wrong', ...sentinel], /WRONGPASS/),
      ...(kind === 'Sentinel' ? [expectOneLine(redis, ['--redis.password=se cret#'], /NOAUTH/)] : []),
    ]);
  });

  test('TLS with a private CA', async () => {
    const tls = tlsFiles();
    const redis = await start({ access: { tls } });
    const args = [...redis.args, '--redis.tls-enabled', `--redis.tls-ca=${tls.caFile}`];
    const other = tlsFiles(makeAuthority());
    const wrongCa = ['--redis.tls-enabled', `--redis.tls-ca=${other.caFile}`];
    const careless = [...redis.args, '--redis.tls-enabled', '--redis.tls-skip-verify'];
    const gateway = await startGateway({ redis, args });
    const [warned] = await Promise.all([
      startGateway({ redis, args: careless }),
      expectWorking(gateway, redis, args),
      expectOneLine(redis, wrongCa, /reason="[^"]*(certificate|signature)/),
      expectOneLine(redis, ['--redis.tls-enabled'], /reason="[^"]*certificate/),
    ]);
    expect(gateway.process.log().replaceAll(SLOW_CONNECTION, '')).not.toMatch(/level=warn/);
    expect((await warned.push('/metrics/job/j', 'careless 1\n', applied)).status).toBe(200);
    expect(warned.process.log().match(/level=warn.*tls-skip-verify/g)).toHaveLength(1);
  });
});

describe('databases', () => {
  test('each database is separate', async () => {
    const redis = await startRedis();
    const [three, other] = [
      await startGateway({ redis, args: ['--redis.db=3'] }),
      await startGateway({ redis, args: [], env: { PUSHGATEWAY_REDIS_ENDPOINT: undefined } }),
    ];
    await three.push('/metrics/job/j', 'm 1\n', applied);
    expect(sampleValue(await three.scrape(), 'm')).toBe(1);
    expect(sampleValue(await other.scrape(), 'm')).toBeUndefined();
    expect(await redis.cli('-n', '3', 'EXISTS', 'pgw:layout')).toBe('1');
  });

  test('a database that the server does not have stops the start', async () => {
    const redis = { endpoint: (await startRedis()).endpoint, args: [] };
    await expectRefusal(redis, ['--redis.db=99'], /--redis\.db.*fewer databases/);
  });

  test('a Cluster has only 0', async () => {
    const one = { endpoint: cluster.endpoint.split(',')[0] ?? '', args: [] };
    await expectRefusal(one, ['--redis.db=3'], /--redis\.db 3.*Cluster/);
  });
});

describe('--redis.mode', () => {
  test('several endpoints that are not a Cluster stop the start', async () => {
    const [a, b] = await Promise.all([startRedis(), startRedis()]);
    const reason = /cluster support is disabled, but several endpoints or --redis\.mode=cluster require it/;
    await Promise.all([
      expectRefusal({ endpoint: `${a.endpoint},${b.endpoint}`, args: [] }, [], reason),
      expectRefusal({ endpoint: a.endpoint, args: [] }, ['--redis.mode=cluster'], reason),
    ]);
  });

  test('one endpoint of a Cluster is detected as a Cluster, unless --redis.mode says otherwise', async () => {
    const redis = { endpoint: cluster.endpoint.split(',')[0] ?? '', args: [] };
    const [found, forced, denied] = await Promise.all([
      startGateway({ redis }),
      startGateway({ redis, args: ['--redis.mode=cluster'] }),
      startOutside(redis, ['--redis.mode=single']),
    ]);
    await found.process.waitForLine(/redis=cluster/);
    await forced.process.waitForLine(/redis=cluster/);
    await denied.process.waitForLine(/level=warn.*--redis\.mode is single/);
  });

  test('endpoints that are not Sentinels, and an unknown master name, are reported', async () => {
    const [server, sentinel] = await Promise.all([startRedis(), startSentinel()]);
    await Promise.all([
      expectOneLine({ endpoint: server.endpoint, args: [] }, ['--redis.master-name=m'], /SENTINEL/i),
      expectOneLine({ endpoint: sentinel.endpoint, args: [] }, ['--redis.master-name=other'], /Sentinel/i),
    ]);
  });
});

describe('a user with only the documented permissions', () => {
  const rule = /^ACL SETUSER gateway .*$/m.exec(readFileSync(join(projectFolder, 'docs/redis.md'), 'utf8'))?.[0] ?? '';
  const user = ['--redis.username=gateway', '--redis.password=PASSWORD'];

  test.for(['a server', 'a Cluster'] as const)('%s: nothing is refused', async (kind) => {
    const nodes = kind === 'a Cluster' ? cluster.nodes : [await startRedis()];
    for (const node of nodes) await node.cli(...rule.split(' '));
    const redis = { endpoint: nodes.map(({ endpoint }) => endpoint).join(','), args: [] };
    const args = [...user, '--web.enable-admin-api'];
    const gateway = await startGateway({ redis, args });
    await expectWorking(gateway, redis, args);
    await gateway.delete('/metrics/job/j/n/1', applied);
    await gateway.push('/metrics/job/short?ttl=1s', 'short 1\n', applied);
    expect((await gateway.request('/api/v1/dead-letters')).status).toBe(200);
    expect((await gateway.request('/api/v1/admin/wipe', { method: 'PUT', ...applied })).status).toBe(202);
    const swept = async () => sampleSum(await gateway.telemetry(), 'pushgateway_housekeeping_runs_total');
    await eventually(async () => (await swept()) > 0, { timeoutMs: 20_000, what: 'housekeeping' });
    await gateway.stop();
    for (const node of nodes) expect(await node.cli('ACL', 'LOG')).toBe('');
    expect(gateway.process.log().replaceAll(SLOW_CONNECTION, '')).not.toMatch(/level=(warn|error)/);
  });

  test('Sentinel: nothing is refused, also by the Sentinels', async () => {
    const watchRule =
      /^ACL SETUSER watcher .*$/m.exec(readFileSync(join(projectFolder, 'docs/redis.md'), 'utf8'))?.[0] ?? '';
    const sentinel = await startSentinel();
    const { endpoint, masterName, nodes } = sentinel;
    const ports = endpoint.split(',').map((address) => Number(address.split(':')[1]));
    for (const node of nodes) await node.cli(...rule.split(' '));
    for (const port of ports) await redisCli(port, watchRule.split(' '));
    const watcher = ['--redis.sentinel-username=watcher', '--redis.sentinel-password=PASSWORD'];
    const args = [...user, ...watcher, `--redis.master-name=${masterName}`];
    const redis = { endpoint, args: [] };
    const gateway = await startGateway({ redis, args });
    await expectWorking(gateway, redis, args);
    await sentinel.failOver();
    await expectWorking(gateway, redis, args);
    await gateway.stop();
    for (const port of ports) expect(await redisCli(port, ['ACL', 'LOG'])).toBe('');
  });

  test('without INFO it works, logs the missing permission once, and still notices a full Redis', async () => {
    const redis = await startRedis();
    await redis.cli(...rule.split(' '), '-info');
    const gateway = await startGateway({ redis, args: user });
    expect((await gateway.push('/metrics/job/j', 'm 1\n', applied)).status).toBe(200);
    expect(gateway.process.log().match(/level=warn/g)).toHaveLength(1);
    expect(gateway.process.log()).toMatch(/may not INFO/);
    await redis.cli('CONFIG', 'SET', 'maxmemory', '1');
    expect((await gateway.push('/metrics/job/j', 'm 1\n')).status).toBe(503);
  });

  test('a user without access to the keys: the start stops with one line', async () => {
    const redis = await startRedis();
    await redis.cli(...rule.split(' '));
    const own = { endpoint: redis.endpoint, args: [...user, '--redis.prefix=other'] };
    await expectRefusal(own, [], /cannot start.*Redis denies our user a command: NOPERM/);
  });
});
