import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from './eventually.ts';
import { freePort } from './ports.ts';
import { TestProcess } from './process.ts';
import { listenSettings, type RedisAccess } from './redis-access.ts';
import { RedisServer, waitForServer } from './redis.ts';
import { redisCli } from './redis-cli.ts';
import { temporaryFolder } from './temporary.ts';
import { requireTool } from './tools.ts';

const MASTER_NAME = 'pushgateway';

/** One master, two replicas, three Sentinels that call a master down after 2 s. */
export interface SentinelTopology {
  readonly masterName: string;
  /** The Sentinels, as `--redis.endpoint` takes them. */
  readonly endpoint: string;
  readonly nodes: readonly RedisServer[];
  readonly sentinels: readonly TestProcess[];
  /** The node that the Sentinels call master at present. */
  master(): Promise<RedisServer>;
  /** Kills the master and waits until the Sentinels have put another in its place, which it returns. */
  failOver(): Promise<RedisServer>;
}

export interface SentinelOptions {
  args?: readonly string[];
  access?: RedisAccess;
  /** Of the Sentinels themselves. */
  sentinelPassword?: string;
  program?: string;
  /** Of the replicas. */
  replicaEnv?: Record<string, string>;
  /** Under which port the first master is known to replicas and Sentinels, given its own. */
  announce?: (port: number) => Promise<number>;
}

export async function startSentinel(options: SentinelOptions = {}): Promise<SentinelTopology> {
  const { args = [], access = {}, sentinelPassword, program, replicaEnv, announce } = options;
  const startNode = async (nodeArgs: readonly string[], env: Record<string, string> = {}) =>
    RedisServer.start({ args: nodeArgs, access, env, ...(program && { program }) });
  const master = await startNode(args);
  const masterPort = (await announce?.(master.port)) ?? master.port;
  if (announce !== undefined) await master.cli('CONFIG', 'SET', 'replica-announce-port', String(masterPort));
  const replicaArgs = [...args, '--replicaof', '127.0.0.1', String(masterPort), '--repl-diskless-sync-delay', '0'];
  const replicas = await Promise.all([startNode(replicaArgs, replicaEnv), startNode(replicaArgs, replicaEnv)]);
  const nodes = [master, ...replicas];
  await Promise.all(
    replicas.map(async (replica) =>
      eventually(async () => (await replica.info('master_link_status')) === 'up', {
        timeoutMs: 20_000,
        what: 'replication',
      }),
    ),
  );

  const start = async () => startOne(masterPort, access, sentinelPassword);
  const sentinels = await Promise.all([start(), start(), start()]);
  const ask = async (...command: string[]) => askSentinel(sentinels, command);
  await Promise.all(
    sentinels.map(async (sentinel) =>
      sentinel.process.waitUntil('a Sentinel that knows all', 20_000, async () => {
        const state = await askSentinel([sentinel], ['MASTER', MASTER_NAME]);
        return field(state, 'num-slaves') === '2' && field(state, 'num-other-sentinels') === '2';
      }),
    ),
  );

  const currentMaster = async (): Promise<RedisServer> => {
    const [, port] = (await ask('GET-MASTER-ADDR-BY-NAME', MASTER_NAME)).split('\n');
    const node = String(masterPort) === port ? master : nodes.find((candidate) => String(candidate.port) === port);
    if (node === undefined) throw new Error(`the Sentinels name an unknown master, port ${port}`);
    return node;
  };
  return {
    masterName: MASTER_NAME,
    endpoint: sentinels.map(({ port }) => `127.0.0.1:${port}`).join(','),
    nodes,
    sentinels: sentinels.map((sentinel) => sentinel.process),
    master: currentMaster,
    failOver: async () => {
      const old = await currentMaster();
      await old.kill();
      return eventually(
        async () => {
          const next = await currentMaster();
          return next !== old && (await next.info('role')) === 'master' ? next : false;
        },
        { timeoutMs: 30_000, intervalMs: 50, what: 'failover by the Sentinels' },
      );
    },
  };
}

interface Sentinel {
  readonly process: TestProcess;
  readonly port: number;
  readonly access: RedisAccess;
}

async function startOne(masterPort: number, access: RedisAccess, ownPassword: string | undefined): Promise<Sentinel> {
  const folder = temporaryFolder();
  const port = await freePort();
  const file = join(folder, 'sentinel.conf'); // Sentinels rewrite it
  const lines = [
    ...listenSettings(port, access).map(([name, value]) => `${name} ${value}`),
    ...(ownPassword === undefined ? [] : [`requirepass "${ownPassword}"`, `sentinel sentinel-pass "${ownPassword}"`]),
    'bind 127.0.0.1',
    `dir ${folder}`,
    `sentinel monitor ${MASTER_NAME} 127.0.0.1 ${masterPort} 2`,
    ...(access.password === undefined ? [] : [`sentinel auth-pass ${MASTER_NAME} "${access.password}"`]),
    `sentinel down-after-milliseconds ${MASTER_NAME} 2000`,
    `sentinel failover-timeout ${MASTER_NAME} 6000`,
    `sentinel parallel-syncs ${MASTER_NAME} 2`,
  ];
  writeFileSync(file, `${lines.join('\n')}\n`);
  const { tls } = access;
  const own: RedisAccess = { ...(ownPassword && { password: ownPassword }), ...(tls && { tls }) };
  const started = await TestProcess.start(requireTool('redis-server'), [file, '--sentinel'], { cwd: folder });
  await waitForServer(started, `127.0.0.1:${port}`, async (...command) => redisCli(port, command, own));
  return { port, access: own, process: started };
}

/** The answer of the first one that runs. */
async function askSentinel(sentinels: readonly Sentinel[], command: readonly string[]): Promise<string> {
  const alive = sentinels.find((sentinel) => sentinel.process.isRunning);
  if (alive === undefined) throw new Error('no Sentinel runs');
  return redisCli(alive.port, ['SENTINEL', ...command], alive.access);
}

function field(reply: string, name: string): string | undefined {
  const lines = reply.split('\n');
  return lines[lines.indexOf(name) + 1];
}
