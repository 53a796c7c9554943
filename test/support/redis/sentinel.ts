import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../eventually.ts';
import { freePort } from '../process/ports.ts';
import { TestProcess } from '../process/process.ts';
import { listenSettings, type RedisAccess } from './access.ts';
import { RedisServer, waitForServer } from './server.ts';
import { redisCli } from './cli.ts';
import { temporaryFolder } from '../process/temporary.ts';
import { requireTool } from '../process/tools.ts';

const MASTER_NAME = 'pushgateway';

/** One master, two replicas and three Sentinels; a master counts as failed after 2 s. */
export interface SentinelTopology {
  readonly masterName: string;
  /** The Sentinels, as `--redis.endpoint` takes them. */
  readonly endpoint: string;
  readonly nodes: readonly RedisServer[];
  readonly sentinels: readonly TestProcess[];
  /** The current master according to the Sentinels. */
  master(): Promise<RedisServer>;
  /** Kills the master, waits until the Sentinels have promoted another one, and returns that one. */
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
  /** The port under which replicas and Sentinels know the first master, given its own. */
  announce?: (port: number) => Promise<number>;
}

export async function startSentinel(options: SentinelOptions = {}): Promise<SentinelTopology> {
  const { args = [], access = {}, sentinelPassword, program, replicaEnv, announce } = options;
  const startNode = async (nodeArgs: readonly string[], env: Record<string, string> = {}) =>
    RedisServer.start({ args: nodeArgs, access, env, ...(program && { program }) });
  const master = await startNode(args);
  const masterPort = (await announce?.(master.port)) ?? master.port;
  if (announce !== undefined) await master.cli('CONFIG', 'SET', 'replica-announce-port', String(masterPort));
  const replicaArgs = [...args, '--replicaof', '127.0.0.1', String(masterPort)];
  const replicas = await Promise.all([startNode(replicaArgs, replicaEnv), startNode(replicaArgs, replicaEnv)]);
  const nodes = [master, ...replicas];
  const plans = await Promise.all(
    Array.from({ length: 3 }, async () => ({ port: await freePort(), id: randomBytes(20).toString('hex') })),
  );
  const known = { master: masterPort, replicas: replicas.map(({ port }) => port), sentinels: plans };
  const sentinels = await Promise.all(plans.map(async (plan) => startOne(plan, known, access, sentinelPassword)));
  const ask = async (...command: string[]) => askSentinel(sentinels, command);
  await Promise.all([
    ...replicas.map(async (replica) =>
      eventually(async () => (await replica.info('master_link_status')) === 'up', {
        timeoutMs: 20_000,
        what: 'replication',
      }),
    ),
    ...sentinels.map(async (sentinel) =>
      sentinel.process.waitUntil('a Sentinel that is connected with all', 20_000, async () => {
        const [of, replicaStates, sentinelStates] = await Promise.all(
          ['MASTER', 'REPLICAS', 'SENTINELS'].map(async (what) => askSentinel([sentinel], [what, MASTER_NAME])),
        );
        const isUp = fields(of, 'flags').join() === 'master' && fields(replicaStates, 'flags').join() === 'slave,slave';
        const inStep = fields(replicaStates, 'master-link-status').join() === 'ok,ok';
        return isUp && inStep && fields(sentinelStates, 'flags').join() === 'sentinel,sentinel';
      }),
    ),
  ]);

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

interface SentinelPlan {
  readonly port: number;
  readonly id: string;
}

/** State that a Sentinel would otherwise discover within some seconds, from the master and its messages there. */
interface Known {
  readonly master: number;
  readonly replicas: readonly number[];
  readonly sentinels: readonly SentinelPlan[];
}

async function startOne(
  { port, id }: SentinelPlan,
  known: Known,
  access: RedisAccess,
  ownPassword: string | undefined,
): Promise<Sentinel> {
  const folder = temporaryFolder();
  const file = join(folder, 'sentinel.conf'); // Sentinels rewrite it
  const others = known.sentinels.filter((other) => other.id !== id);
  const lines = [
    ...listenSettings(port, access).map(([name, value]) => `${name} ${value}`),
    ...(ownPassword === undefined ? [] : [`requirepass "${ownPassword}"`, `sentinel sentinel-pass "${ownPassword}"`]),
    'bind 127.0.0.1',
    `dir ${folder}`,
    `sentinel myid ${id}`,
    `sentinel monitor ${MASTER_NAME} 127.0.0.1 ${known.master} 2`,
    ...(access.password === undefined ? [] : [`sentinel auth-pass ${MASTER_NAME} "${access.password}"`]),
    `sentinel down-after-milliseconds ${MASTER_NAME} 2000`,
    `sentinel failover-timeout ${MASTER_NAME} 6000`,
    `sentinel parallel-syncs ${MASTER_NAME} 2`,
    ...known.replicas.map((replica) => `sentinel known-replica ${MASTER_NAME} 127.0.0.1 ${replica}`),
    ...others.map((other) => `sentinel known-sentinel ${MASTER_NAME} 127.0.0.1 ${other.port} ${other.id}`),
  ];
  writeFileSync(file, `${lines.join('\n')}\n`);
  const { tls } = access;
  const own: RedisAccess = { ...(ownPassword && { password: ownPassword }), ...(tls && { tls }) };
  const started = await TestProcess.start(requireTool('redis-server'), [file, '--sentinel'], { cwd: folder });
  await waitForServer(started, `127.0.0.1:${port}`, async (...command) => redisCli(port, command, own));
  return { port, access: own, process: started };
}

/** The answer of the first running Sentinel. */
async function askSentinel(sentinels: readonly Sentinel[], command: readonly string[]): Promise<string> {
  const alive = sentinels.find((sentinel) => sentinel.process.isRunning);
  if (alive === undefined) throw new Error('no Sentinel runs');
  return redisCli(alive.port, ['SENTINEL', ...command], alive.access);
}

/** A field of each entry of a reply. */
function fields(reply = '', name: string): string[] {
  const lines = reply.split('\n');
  return lines.flatMap((line, i) => (line === name ? [lines[i + 1] ?? ''] : []));
}
