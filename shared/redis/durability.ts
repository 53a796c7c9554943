/**
 * What has to be true of a push before it is acknowledged:
 *
 *     memory    Redis has it
 *     replica   so many replicas have it, too (WAIT)
 *     disk      it is synced to the append-only file (WAITAOF; before Redis 7.2, by `appendfsync always`)
 *
 * A barrier command ends each flush of appends, one for all of them. What it answers is a number, never an error: a timeout
 * with too few is a shortfall, not a success.
 */
import { Cluster, type Redis } from 'ioredis';
import type { Config } from '../config/config.ts';
import { asError, GatewayError } from '../errors.ts';
import type { RedisClient } from './connections.ts';

export interface Barrier {
  readonly command: readonly [string, ...(string | number)[]];
  /** Undefined when the reply is enough; else what is missing. */
  shortfall(reply: unknown): string | undefined;
}

/** Shorter than the silence after which a connection is given up. */
const BARRIER_TIMEOUT_MS = 2_000;

/** Undefined where no barrier is needed. Throws `config_invalid` when this Redis cannot give what is asked for. */
export async function settleBarrier(client: RedisClient, config: Config): Promise<Barrier | undefined> {
  const { durability } = config.push;
  switch (durability) {
    case 'memory':
      return undefined;
    case 'replica':
      return replicaBarrier(config.redis.waitReplicas);
    case 'disk':
      return await diskBarrier(client);
    default:
      durability satisfies never;
      return undefined;
  }
}

function replicaBarrier(wanted: number): Barrier {
  return {
    command: ['WAIT', wanted, BARRIER_TIMEOUT_MS],
    shortfall: (reply) => (Number(reply) >= wanted ? undefined : `${Number(reply)} of ${wanted} replicas confirmed it`),
  };
}

async function diskBarrier(client: RedisClient): Promise<Barrier | undefined> {
  const nodes = client instanceof Cluster ? client.nodes('master') : [client];
  let hasWaitAof = true;
  for (const node of nodes) {
    const version = /redis_version:(\d+)\.(\d+)/.exec(await node.info('server'));
    const [major, minor] = [Number(version?.[1] ?? 0), Number(version?.[2] ?? 0)];
    if (major > 7 || (major === 7 && minor >= 2)) continue;
    hasWaitAof = false;
    await requireSetting(node, 'appendonly', 'yes');
    await requireSetting(node, 'appendfsync', 'always');
  }
  if (!hasWaitAof) return undefined;
  return {
    command: ['WAITAOF', 1, 0, BARRIER_TIMEOUT_MS],
    shortfall: (reply) => (Array.isArray(reply) && Number(reply[0]) >= 1 ? undefined : 'it was not synced to disk'),
  };
}

async function requireSetting(node: Redis, name: string, wanted: string): Promise<void> {
  let found: string | undefined;
  try {
    [, found] = await node.config('GET', name);
  } catch (cause) {
    const why = asError(cause).message;
    throw new GatewayError(
      'config_invalid',
      `cannot promise --push.durability=disk: CONFIG GET ${name} is refused (${why})`,
      {
        cause,
      },
    );
  }
  if (found === wanted) return;
  throw new GatewayError(
    'config_invalid',
    `cannot promise --push.durability=disk: this Redis has ${name} "${found}", before Redis 7.2 it must be "${wanted}"`,
  );
}
