import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../eventually.ts';
import { BUS_OFFSET, freePort } from '../process/ports.ts';
import type { RedisAccess } from './access.ts';
import { RedisServer } from './server.ts';
import { temporaryFolder } from '../process/temporary.ts';

const MASTERS = 3;
const SLOTS = 16_384;

/** Three masters and three replicas; a master counts as failed after 2 s. */
export interface ClusterTopology {
  /** All nodes as seeds, as `--redis.endpoint` takes them. */
  readonly endpoint: string;
  readonly nodes: readonly RedisServer[];
  /** The living nodes that are masters at present. */
  masters(): Promise<RedisServer[]>;
  /** The living master that holds the key's slot. */
  masterOf(key: string): Promise<RedisServer>;
  /** Prepares to move the slot of a key to another master; no key has moved yet. */
  migrate(key: string, to: RedisServer): Promise<SlotMigration>;
  /** Kills a master and waits until the others report cluster_state:ok again. */
  failOver(master: RedisServer): Promise<void>;
}

/** A slot in migration: its keys are moved one by one or all at once, then it belongs to the other master. */
export interface SlotMigration {
  readonly from: RedisServer;
  /** Keys that have not moved yet. */
  keys(): Promise<string[]>;
  move(keys: readonly string[]): Promise<void>;
  /** Moves the remaining keys and completes the migration. */
  finish(): Promise<void>;
}

export interface ClusterOptions {
  args?: readonly string[];
  access?: RedisAccess;
  program?: string;
  /** Of the nodes that begin as replicas. */
  replicaEnv?: Record<string, string>;
  /**
   * The ports under which a node is known to the others, given its own, and the source address of its connections.
   * Default: its own ports and 127.0.0.1.
   */
  announceNode?: (port: number, busPort: number, source: string) => Promise<{ port: number; busPort: number }>;
}

export async function startCluster(options: ClusterOptions = {}): Promise<ClusterTopology> {
  const { access = {}, program, replicaEnv = {}, announceNode } = options;
  const clusterArgs = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '2000'];
  const args = [...clusterArgs, ...(options.args ?? [])];
  const plans = await Promise.all(Array.from({ length: 6 }, async (_, index) => planNode(index, announceNode)));
  const nodes = await Promise.all(
    plans.map(async ({ index, port, announced }) => {
      const folder = temporaryFolder();
      writeFileSync(join(folder, 'nodes.conf'), nodesFile(plans, index));
      const env = index < MASTERS ? {} : replicaEnv;
      const nodeArgs = [...args, ...announced];
      return RedisServer.start({ port, folder, args: nodeArgs, access, env, ...(program && { program }) });
    }),
  );
  const [first] = nodes;
  if (first === undefined) throw new Error('no node');
  await wholeAccordingTo(nodes, 30_000);

  const alive = () => nodes.filter((node) => node.exit === undefined);
  const masters = async (): Promise<RedisServer[]> => {
    const roles = await Promise.all(alive().map(async (node) => ({ node, role: await node.info('role') })));
    return roles.filter(({ role }) => role === 'master').map(({ node }) => node);
  };
  const masterOf = async (key: string): Promise<RedisServer> => {
    const slot = await first.cli('CLUSTER', 'KEYSLOT', key);
    for (const node of await masters()) {
      if (holds(await node.cli('CLUSTER', 'NODES'), Number(slot))) return node;
    }
    throw new Error(`no living master holds slot ${slot}`);
  };
  const migrate = async (key: string, to: RedisServer): Promise<SlotMigration> => {
    const slot = await first.cli('CLUSTER', 'KEYSLOT', key);
    const from = await masterOf(key);
    const idOf = async (node: RedisServer) => node.cli('CLUSTER', 'MYID');
    await to.cli('CLUSTER', 'SETSLOT', slot, 'IMPORTING', await idOf(from));
    await from.cli('CLUSTER', 'SETSLOT', slot, 'MIGRATING', await idOf(to));
    const keys = async () => {
      const reply = await from.cli('CLUSTER', 'GETKEYSINSLOT', slot, '1000');
      return reply === '' ? [] : reply.split('\n');
    };
    const move = async (some: readonly string[]) => {
      if (some.length > 0) await from.cli('MIGRATE', '127.0.0.1', String(to.port), '', '0', '5000', 'KEYS', ...some);
    };
    return {
      from,
      keys,
      move,
      finish: async () => {
        for (let left = await keys(); left.length > 0; left = await keys()) await move(left);
        const id = await idOf(to);
        for (const node of [to, from, ...(await masters())]) await node.cli('CLUSTER', 'SETSLOT', slot, 'NODE', id);
      },
    };
  };
  return {
    endpoint: nodes.map((node) => node.endpoint).join(','),
    nodes,
    masters,
    masterOf,
    migrate,
    failOver: async (master) => {
      const survivors = alive().filter((node) => node !== master);
      await master.kill();
      // Before they notice the failure, the survivors still report cluster_state:ok: wait for a new master first.
      await eventually(async () => (await masters()).length === 3, {
        timeoutMs: 30_000,
        what: 'failover in the cluster',
      });
      await wholeAccordingTo(survivors, 30_000);
    },
  };
}

interface NodePlan {
  readonly index: number;
  readonly id: string;
  readonly port: number;
  /** Address for the others, as in nodes.conf. */
  readonly address: string;
  /** Settings that announce this address. */
  readonly announced: readonly string[];
}

async function planNode(index: number, announceNode: ClusterOptions['announceNode']): Promise<NodePlan> {
  const id = randomBytes(20).toString('hex');
  const port = await freePort();
  const busPort = port + BUS_OFFSET;
  if (announceNode === undefined) return { index, id, port, address: `127.0.0.1:${port}@${busPort}`, announced: [] };
  const source = `127.0.1.${index + 1}`;
  const known = await announceNode(port, busPort, source);
  const ports = ['--cluster-announce-port', String(known.port), '--cluster-announce-bus-port', String(known.busPort)];
  // By default a node takes the source address of a connection for the address of the other node.
  const announced = ['--bind-source-addr', source, '--cluster-announce-ip', '127.0.0.1', ...ports];
  return { index, id, port, address: `127.0.0.1:${known.port}@${known.busPort}`, announced };
}

/**
 * nodes.conf of a node of a complete cluster, so that the nodes start with it: `redis-cli --cluster create` waits for
 * seconds of gossip. The format is that of CLUSTER NODES.
 */
function nodesFile(plans: readonly NodePlan[], own: number): string {
  const lines = plans.map(({ index, id, address }) => {
    const myself = index === own ? 'myself,' : '';
    const rank = index % MASTERS;
    if (index >= MASTERS) return `${id} ${address} ${myself}slave ${plans[rank]?.id} 0 0 ${rank + 1} connected`;
    const [from, to] = [rank, rank + 1].map((part) => Math.ceil((part * SLOTS) / MASTERS));
    return `${id} ${address} ${myself}master - 0 0 ${rank + 1} connected ${from}-${(to ?? 0) - 1}`;
  });
  return [...lines, `vars currentEpoch ${MASTERS} lastVoteEpoch 0`, ''].join('\n');
}

async function wholeAccordingTo(nodes: readonly RedisServer[], timeoutMs: number): Promise<void> {
  await Promise.all(
    nodes.map(async (node) =>
      eventually(async () => callsItWhole(node), { timeoutMs, intervalMs: 25, what: 'a whole cluster' }),
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
