import { eventually } from './eventually.ts';
import { RedisServer } from './redis.ts';
import { redisCli } from './redis-cli.ts';

/** Three masters, three replicas; a master is called down after 2 s. */
export interface ClusterTopology {
  /** All nodes as seeds, as `--redis.endpoint` takes them. */
  readonly endpoint: string;
  readonly nodes: readonly RedisServer[];
  /** The living nodes that are masters at present. */
  masters(): Promise<RedisServer[]>;
  /** The living master that holds the key's slot. */
  masterOf(key: string): Promise<RedisServer>;
  /** Kills a master and waits until the others call the cluster whole again. */
  failOver(master: RedisServer): Promise<void>;
}

export interface ClusterOptions {
  args?: readonly string[];
  /** Of the nodes that begin as replicas. */
  replicaEnv?: Record<string, string>;
}

export async function startCluster(options: ClusterOptions = {}): Promise<ClusterTopology> {
  const clusterArgs = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '2000', '--repl-diskless-sync-delay', '0'];
  const args = [...clusterArgs, ...(options.args ?? [])];
  const nodes = await Promise.all(
    Array.from({ length: 6 }, async (_, i) =>
      RedisServer.start({ args, env: i < 3 ? {} : (options.replicaEnv ?? {}) }),
    ),
  );
  const [first] = nodes;
  if (first === undefined) throw new Error('no node');
  const addresses = nodes.map(({ port }) => `127.0.0.1:${port}`);
  await redisCli(first.port, ['--cluster', 'create', ...addresses, '--cluster-replicas', '1', '--cluster-yes']);
  await wholeAccordingTo(nodes, 30_000);

  const alive = () => nodes.filter((node) => node.exit === undefined);
  const masters = async (): Promise<RedisServer[]> => {
    const roles = await Promise.all(alive().map(async (node) => ({ node, role: await node.info('role') })));
    return roles.filter(({ role }) => role === 'master').map(({ node }) => node);
  };
  return {
    endpoint: addresses.join(','),
    nodes,
    masters,
    masterOf: async (key) => {
      const slot = await first.cli('CLUSTER', 'KEYSLOT', key);
      for (const node of await masters()) {
        if (holds(await node.cli('CLUSTER', 'NODES'), Number(slot))) return node;
      }
      throw new Error(`no living master holds slot ${slot}`);
    },
    failOver: async (master) => {
      const survivors = alive().filter((node) => node !== master);
      await master.kill();
      // Until the failure is seen, the survivors still call the cluster whole: wait for a new master first.
      await eventually(async () => (await masters()).length === 3, {
        timeoutMs: 30_000,
        what: 'failover in the cluster',
      });
      await wholeAccordingTo(survivors, 30_000);
    },
  };
}

async function wholeAccordingTo(nodes: readonly RedisServer[], timeoutMs: number): Promise<void> {
  await Promise.all(
    nodes.map(async (node) =>
      eventually(async () => callsItWhole(node), { timeoutMs, intervalMs: 100, what: 'a whole cluster' }),
    ),
  );
}

async function callsItWhole(node: RedisServer): Promise<boolean> {
  const synced = (await node.info('role')) === 'master' || (await node.info('master_link_status')) === 'up';
  return synced && (await node.cli('CLUSTER', 'INFO')).includes('cluster_state:ok');
}

/** Reads the node's own line of CLUSTER NODES: `… myself,master - 0 0 1 connected 0-5460`. */
function holds(nodesReply: string, slot: number): boolean {
  const own = nodesReply.split('\n').find((line) => line.includes('myself')) ?? '';
  return own
    .split(' ')
    .slice(8)
    .some((range) => {
      const [from = NaN, to = from] = range.split('-').map(Number);
      return slot >= from && slot <= to;
    });
}
