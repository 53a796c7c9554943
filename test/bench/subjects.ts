/** The servers that are compared, each a process of its own, filled with groups. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { eventually } from '../support/eventually.ts';
import { startGateway, type Gateway, type GatewayOptions, type Role } from '../support/servers/gateway.ts';
import { processTree } from '../support/process/process-tags.ts';
import { sampleSum, sampleValue } from '../support/metrics-text.ts';
import { officialCommand } from '../support/servers/official.ts';
import { freePort } from '../support/process/ports.ts';
import { TestProcess } from '../support/process/process.ts';
import { projectFolder } from '../support/project.ts';
import { startRedis, type RedisServer } from '../support/redis/server.ts';
import { request } from '../support/http/request.ts';
import { runOrThrow } from '../support/process/run.ts';
import { temporaryFolder } from '../support/process/temporary.ts';
import { requireTool } from '../support/process/tools.ts';
import { fill } from './load/fill.ts';
import { cpuSeconds, total } from './report/cpu-time.ts';
import type { Shape } from './load/workload.ts';

/** When a push is on disk: within a second, or before it is acknowledged. */
export type Sync = 'everysec' | 'always';

export interface Ours {
  readonly redis: RedisServer;
  readonly gateway: Gateway;
}

export async function startOurs(sync: Sync = 'everysec', options: GatewayOptions = {}): Promise<Ours> {
  const redis = await startRedis({ args: ['--appendfsync', sync] });
  return { redis, gateway: await startOn(redis, 'all', sync, options) };
}

export async function startOn(
  redis: { readonly endpoint: string },
  role: Role,
  sync: Sync = 'everysec',
  options: GatewayOptions = {},
): Promise<Gateway> {
  const durability = sync === 'always' ? 'disk' : 'memory';
  const args = ['--redis.expiration=4h', `--push.durability=${durability}`];
  return await startGateway({ ...options, role, redis, args: [...args, ...(options.args ?? [])] });
}

/** Pushes groups `from`…`to`, and waits until the snapshot has all groups. */
export async function fillOurs({ gateway, redis }: Ours, to: number, shape: Shape, from = 0): Promise<void> {
  await fill({ url: gateway.url, from, to, shape });
  await whenDrained(redis, 600_000);
  await eventually(async () => (await groupsShown(gateway)) >= to, { timeoutMs: 60_000, what: `${to} groups shown` });
}

export async function groupsShown(gateway: Gateway): Promise<number> {
  return sampleValue(await gateway.telemetry(), 'pushgateway_snapshot_groups') ?? 0;
}

export async function settled(gateway: Gateway): Promise<number> {
  return sampleSum(await gateway.telemetry(), 'pushgateway_pushes_settled_total');
}

/** Number of pushes in the log, read from Redis itself. */
export async function backlog(redis: RedisServer): Promise<number> {
  const script = "local n = 0 for i = 0, 15 do n = n + redis.call('XLEN', 'pgw:{' .. i .. '}:pushes') end return n";
  return Number(await redis.cli('EVAL', script, '0'));
}

export async function whenDrained(redis: RedisServer, timeoutMs: number): Promise<void> {
  await eventually(async () => (await backlog(redis)) === 0, { timeoutMs, intervalMs: 50, what: 'an empty log' });
}

/**
 * Waits until a process is idle. The official gateway keeps checking pushes for seconds after the load has ended, and
 * the next measurement needs that core.
 */
export async function whenIdle(pid: number): Promise<void> {
  const LOOK_MS = 200;
  const BUSY_SHARE = 0.1;
  let before = Number.NaN;
  const rests = (): boolean => {
    const now = total(cpuSeconds(pid));
    const used = now - before;
    before = now;
    return used < (BUSY_SHARE * LOOK_MS) / 1_000;
  };
  await eventually(rests, { timeoutMs: 120_000, intervalMs: LOOK_MS, what: `a process ${pid} that rests` });
}

/** The longest stall of the event loop since the last call, from the telemetry. */
export async function longestStallMs(gateway: Gateway): Promise<number> {
  const RESOLUTION_MS = 10; // every measured value includes the sampling interval
  const seconds = sampleValue(await gateway.telemetry(), 'nodejs_eventloop_lag_max_seconds') ?? 0;
  return Math.max(0, seconds * 1_000 - RESOLUTION_MS);
}

export interface OtherServer {
  readonly url: string;
  readonly process: TestProcess;
}

/**
 * The official gateway with `groups` groups, filled with its check disabled. With the check enabled, it is restarted
 * from the file that the first one wrote, because filling it would take hours.
 */
export async function startOfficialWith(groups: number, shape: Shape, checked: boolean): Promise<OtherServer> {
  const { command } = await officialCommand();
  const folder = temporaryFolder();
  const start = async (checks: boolean, file: string): Promise<OtherServer> => {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const flags = [`--web.listen-address=127.0.0.1:${port}`, `--persistence.file=${file}`, '--log.level=error'];
    if (!checks) flags.push('--push.disable-consistency-check');
    const server = await TestProcess.start(command, flags, { stopTimeoutMs: 120_000 });
    await server.waitForHttp(`${url}/-/ready`, 120_000);
    return { url, process: server };
  };
  const saved = checked ? join(folder, 'saved') : '';
  const unchecked = await start(false, saved);
  await fill({ url: unchecked.url, to: groups, shape });
  if (!checked) return unchecked;
  await unchecked.process.stop();
  return await start(true, saved);
}

/** fastify and XADD only (bare-server.ts), with its own Redis, configured like ours. */
export async function startBare(
  sync: Sync = 'everysec',
  pipelined = false,
): Promise<OtherServer & { redis: RedisServer }> {
  const redis = await startRedis({ args: ['--appendfsync', sync] });
  const folder = join(projectFolder, '.cache/bench');
  mkdirSync(folder, { recursive: true });
  const tsc = join(projectFolder, 'node_modules/.bin/tsc');
  // In the project folder, because it needs the packages of the project.
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({
      extends: '../../tsconfig.json',
      compilerOptions: { noEmit: false, outDir: '.', rootDir: '../../test/bench' },
      include: ['../../test/bench/bare-server.ts'],
    }),
  );
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }\n');
  await runOrThrow(tsc, ['-p', folder]);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const args = [join(folder, 'bare-server.js'), String(port), String(redis.port), ...(pipelined ? ['pipelined'] : [])];
  const server = await TestProcess.start(process.execPath, args);
  await server.waitUntil('bare server', 10_000, async () => {
    const { status } = await request(url, '/metrics/job/a/instance/b', {
      method: 'PUT',
      body: 'a 1\n',
      headers: { 'content-type': 'text/plain' },
    });
    return status === 202;
  });
  return { url, process: server, redis };
}

/** nginx that sends a recorded scrape of ours from files, plain and in gzip. */
export async function startNginxWith(gateway: Gateway): Promise<OtherServer> {
  const folder = temporaryFolder();
  const plain = await request(gateway.url, '/metrics', { timeoutMs: 120_000 });
  const zipped = await request(gateway.url, '/metrics', {
    timeoutMs: 120_000,
    headers: { 'accept-encoding': 'gzip' },
  });
  if (gunzipSync(zipped.body).length !== plain.body.length) throw new Error('gzip and identity differ');
  writeFileSync(join(folder, 'metrics'), plain.body);
  writeFileSync(join(folder, 'metrics.gz'), zipped.body);
  const port = await freePort();
  const config = `worker_processes 1;
pid ${folder}/pid;
events { worker_connections 64; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  gzip_static on;
  default_type text/plain;
  keepalive_requests 1000000;
  keepalive_timeout 1h;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${folder}/${kind};`).join(' ')}
  server { listen 127.0.0.1:${port}; root ${folder}; }
}
`;
  writeFileSync(join(folder, 'nginx.conf'), config);
  const server = await TestProcess.start(
    requireTool('nginx'),
    [
      '-p',
      folder,
      '-e',
      'stderr',
      '-c',
      join(folder, 'nginx.conf'),
      '-g',
      `daemon off;${userInfo().uid === 0 ? 'user root;' : ''}`,
    ],
    { cwd: folder },
  );
  const url = `http://127.0.0.1:${port}`;
  await server.waitForHttp(`${url}/metrics`);
  return { url, process: server };
}

/** Resident memory of a process and its descendants, MB (10^6). */
export function residentMb(pid: number): number {
  let kib = 0;
  for (const one of processTree(pid)) {
    kib += Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${one}/status`, 'utf8'))?.[1] ?? 0);
  }
  return (kib * 1024) / 1e6;
}
