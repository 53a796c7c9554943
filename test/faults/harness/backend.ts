/**
 * A common interface to the three topologies: the endpoint, the durability level at which
 * acknowledged pushes survive the loss of a server, and access to the servers for faults.
 */
import { eventually } from '../../support/eventually.ts';
import type { TestProcess } from '../../support/process/process.ts';
import { startRedis, type RedisServer } from '../../support/redis/server.ts';
import { startCluster, type ClusterOptions, type ClusterTopology } from '../../support/redis/cluster.ts';
import { startSentinel, type SentinelOptions } from '../../support/redis/sentinel.ts';

export type Topology = 'single' | 'sentinel' | 'cluster';
export const TOPOLOGIES: readonly Topology[] = ['single', 'sentinel', 'cluster'];

/** Number of shards. */
const SHARDS: Readonly<Record<Topology, number>> = { single: 1, sentinel: 1, cluster: 16 };

export interface Backend {
  readonly topology: Topology;
  /** As `--redis.endpoint` takes it. */
  readonly endpoint: string;
  /** Flags of a gateway for topology and durability. */
  readonly gatewayArgs: readonly string[];
  /** Description for the report. */
  readonly durability: string;
  readonly nodes: readonly RedisServer[];
  readonly shards: number;
  /** Cluster only. */
  readonly migrate?: ClusterTopology['migrate'];
  /** Sentinel only, in the order of `endpoint`. */
  readonly sentinels?: readonly TestProcess[];
  /** Ports under which others know a server, if they differ: own port → known port. */
  readonly knownPorts: Map<number, number>;
  /** The living masters. */
  masters(): Promise<RedisServer[]>;
  /** The master of shard 0, which faults choose if there are several. */
  master(): Promise<RedisServer>;
  masterOf(key: string): Promise<RedisServer>;
  /** Resolves when another server has replaced this one, which was killed or hangs. */
  replaced(old: RedisServer): Promise<void>;
  /** Resolves when every running server is a working master or a synchronised replica. */
  whole(): Promise<void>;
}

export interface BackendOptions {
  readonly redisArgs?: readonly string[];
  /** Of a single server. */
  readonly env?: Record<string, string>;
  /** Of the servers that begin as replicas. */
  readonly replicaEnv?: Record<string, string>;
  /** Sentinel: see SentinelOptions. */
  readonly announce?: NonNullable<SentinelOptions['announce']>;
  /** Cluster: see ClusterOptions. */
  readonly announceNode?: NonNullable<ClusterOptions['announceNode']>;
}

export async function startBackend(topology: Topology, options: BackendOptions = {}): Promise<Backend> {
  const args = options.redisArgs ?? [];
  switch (topology) {
    case 'single':
      return await single(args, options.env);
    case 'sentinel':
      return await sentinel({ ...options, args });
    case 'cluster':
      return await cluster({ ...options, args });
    default:
      return topology satisfies never;
  }
}

async function single(args: readonly string[], env: Record<string, string> = {}): Promise<Backend> {
  const server = await startRedis({ args: ['--appendfsync', 'always', ...args], env });
  return {
    topology: 'single',
    endpoint: server.endpoint,
    gatewayArgs: ['--push.durability=disk'],
    durability: 'disk (appendfsync always)',
    nodes: [server],
    shards: SHARDS.single,
    knownPorts: new Map(),
    masters: async () => Promise.resolve([server]),
    master: async () => Promise.resolve(server),
    masterOf: async () => Promise.resolve(server),
    replaced: async () => Promise.reject(new Error('a single server has no replica')),
    whole: async () => inStep([server]),
  };
}

async function sentinel(options: SentinelOptions): Promise<Backend> {
  const topology = await startSentinel(options);
  return {
    topology: 'sentinel',
    endpoint: topology.endpoint,
    gatewayArgs: [`--redis.master-name=${topology.masterName}`, '--redis.wait-replicas=1'],
    durability: 'replica (WAIT 1)',
    nodes: topology.nodes,
    sentinels: topology.sentinels,
    shards: SHARDS.sentinel,
    knownPorts: new Map(),
    masters: async () => [await topology.master()],
    master: async () => topology.master(),
    masterOf: async () => topology.master(),
    replaced: async (old) => {
      await eventually(
        async () => {
          const next = await topology.master();
          return next !== old && (await next.info('role')) === 'master';
        },
        { timeoutMs: 30_000, intervalMs: 50, what: 'failover by the Sentinels' },
      );
    },
    whole: async () => inStep(topology.nodes),
  };
}

async function cluster(options: ClusterOptions): Promise<Backend> {
  const topology = await startCluster(options);
  const { nodes } = topology;
  return {
    topology: 'cluster',
    endpoint: topology.endpoint,
    gatewayArgs: ['--redis.wait-replicas=1'],
    durability: 'replica (WAIT 1)',
    nodes,
    shards: SHARDS.cluster,
    knownPorts: new Map(),
    migrate: async (key, to) => topology.migrate(key, to),
    masters: async () => topology.masters(),
    master: async () => topology.masterOf('{0}'),
    masterOf: async (key) => topology.masterOf(key),
    replaced: async (old) => {
      await eventually(async () => (await others(nodes, old, 'master')).length === 3, {
        timeoutMs: 30_000,
        intervalMs: 50,
        what: 'failover in the Cluster',
      });
    },
    whole: async () => {
      await inStep(nodes);
      await eventually(
        async () => {
          const states = await Promise.all(living(nodes).map(async (node) => node.cli('CLUSTER', 'INFO')));
          return states.every((state) => state.includes('cluster_state:ok'));
        },
        { timeoutMs: 30_000, intervalMs: 100, what: 'a whole Cluster' },
      );
    },
  };
}

function living(nodes: readonly RedisServer[]): RedisServer[] {
  return nodes.filter((node) => node.exit === undefined);
}

async function others(nodes: readonly RedisServer[], old: RedisServer, wanted: string): Promise<RedisServer[]> {
  const candidates = living(nodes).filter((node) => node !== old);
  const roles = await Promise.all(candidates.map(async (node) => node.info('role')));
  return candidates.filter((_, i) => roles[i] === wanted);
}

async function inStep(nodes: readonly RedisServer[]): Promise<void> {
  await eventually(
    async () => {
      const infos = await Promise.all(living(nodes).map(async (node) => node.cli('INFO', 'replication')));
      return infos.every((info) => info.includes('role:master') || info.includes('master_link_status:up'));
    },
    { timeoutMs: 30_000, intervalMs: 100, what: 'replicas in step' },
  );
}

/** The remaining backlog and the outcomes of pushes, over all shards. */
export interface Books {
  readonly logged: number;
  readonly deadLetters: number;
  /** Pushes that took effect more than once. */
  readonly settledTwice: readonly string[];
}

// A master of a Cluster refuses keys of shards on other masters. The script skips them, and returns how many it has
// read.
const BOOKS = `
  local settled, read, logged, dead = {}, 0, 0, 0
  for n = 0, ARGV[1] - 1 do
    local base = 'pgw:{' .. n .. '}:'
    local length = redis.pcall('XLEN', base .. 'pushes')
    if type(length) == 'number' then
      read = read + 1
      logged = logged + length
      dead = dead + redis.call('XLEN', base .. 'dead')
      for _, entry in ipairs(redis.call('XRANGE', base .. 'changes', '-', '+')) do settled[#settled + 1] = entry[2][2] end
    end
  end
  return { read, logged, dead, table.concat(settled, ' ') }`;

export async function readBooks(backend: Backend): Promise<Books> {
  const replies = await Promise.all(
    (await backend.masters()).map(async (node) =>
      (await node.cli('EVAL', BOOKS, '0', String(backend.shards))).split('\n'),
    ),
  );
  const sum = (field: number): number => replies.reduce((total, reply) => total + Number(reply[field]), 0);
  if (sum(0) !== backend.shards) throw new Error(`the masters hold ${sum(0)} of ${backend.shards} shards`);
  const words = (field: number): string[] =>
    replies.flatMap((reply) => (reply[field] ?? '').split(' ').filter(Boolean));
  // `ID:OUTCOME`; the outcome of a second append is `d` (duplicate), which has no effect.
  const effects = words(3).filter((word) => !word.endsWith(':d'));
  const ids = effects.map((word) => word.slice(0, word.lastIndexOf(':')));
  return {
    logged: sum(1),
    deadLetters: sum(2),
    settledTwice: [...new Set(ids.filter((id, i) => ids.indexOf(id) !== i))],
  };
}
