/**
 * What has to be true of a push before it is acknowledged:
 *
 *     memory    Redis has it
 *     replica   a number of replicas have it, too (WAIT)
 *     disk      it is synced to the append-only file (WAITAOF; before Redis 7.2, `appendfsync always`)
 *
 * A barrier follows each pipeline of appends, once for all of them and on the same connection: so it is about the
 * server that took them, even after a failover. Its reply is a number or a setting, rarely an error: too little is a
 * shortfall.
 */
import { Cluster } from 'ioredis';
import type { Config } from '../../config/config.ts';
import { asError, GatewayError } from '../../errors.ts';
import type { RedisClient } from './client.ts';

type Command = readonly [string, ...(string | number)[]];

export interface Barrier {
  readonly commands: readonly Command[];
  /** Undefined when the replies suffice. */
  shortfall(replies: readonly unknown[]): Shortfall | undefined;
}

export interface Shortfall {
  readonly reason: string;
  /** The barrier may be met a little later. */
  readonly mayPass: boolean;
}

const WAIT_TIMEOUT_MS = 1_000;
/** A file that is synced each second takes up to that long. */
const WAITAOF_TIMEOUT_MS = 2_500;
/** Settings that disk durability requires where there is no WAITAOF. */
const REQUIRED_SETTINGS = new Map([
  ['appendonly', 'yes'],
  ['appendfsync', 'always'],
]);

/** Undefined where no barrier is needed. Throws `config_invalid` when this Redis cannot provide the durability. */
export async function chooseBarrier(client: RedisClient, config: Config): Promise<Barrier | undefined> {
  const { durability } = config.push;
  switch (durability) {
    case 'memory':
      return undefined;
    case 'replica':
      return replicaBarrier(config.redis.waitReplicas, waitMs(config, WAIT_TIMEOUT_MS));
    case 'disk':
      return await diskBarrier(client, waitMs(config, WAITAOF_TIMEOUT_MS));
    default:
      durability satisfies never;
      return undefined;
  }
}

/** Shorter than the silence after which the connection is closed: the barrier blocks its other replies. */
function waitMs({ redis: { timeoutMs } }: Config, longestMs: number): number {
  return timeoutMs === 0 ? longestMs : Math.max(1, Math.min(longestMs, Math.floor(timeoutMs / 2)));
}

function replicaBarrier(wanted: number, timeoutMs: number): Barrier {
  return {
    commands: [['WAIT', wanted, timeoutMs]],
    shortfall: ([reply]) => {
      const reason = `${Number(reply)} of ${wanted} replicas confirmed it`;
      return Number(reply) >= wanted ? undefined : { reason, mayPass: true };
    },
  };
}

async function diskBarrier(client: RedisClient, timeoutMs: number): Promise<Barrier> {
  const nodes = client instanceof Cluster ? client.nodes('master') : [client];
  if (nodes.length === 0) throw new Error('no master of the Cluster is known yet');
  const infos = await Promise.all(nodes.map(async (node) => await node.info().catch(denied('INFO'))));
  if (infos.every(hasWaitAof)) {
    if (infos.some((info) => info.includes('aof_enabled:0')))
      throw unable('this Redis has no append-only file (appendonly)');
    return {
      commands: [['WAITAOF', 1, 0, timeoutMs]],
      shortfall: ([reply]) => {
        const isSynced = Array.isArray(reply) && Number(reply[0]) >= 1;
        return isSynced ? undefined : { reason: 'it was not synced to disk in time', mayPass: true };
      },
    };
  }
  const names = [...REQUIRED_SETTINGS.keys()];
  for (const node of nodes) {
    const reading = names.map(async (name) => node.config('GET', name).catch(denied(`CONFIG GET ${name}`)));
    const wrong = wrongSetting(await Promise.all(reading));
    if (wrong !== undefined) throw unable(wrong);
  }
  // Checked with each pipeline: a failover leads to another server, and a setting can be changed.
  return {
    commands: names.map((name): Command => ['CONFIG', 'GET', name]),
    shortfall: (replies) => {
      const reason = wrongSetting(replies);
      return reason === undefined ? undefined : { reason, mayPass: false };
    },
  };
}

/** `replies` are those of CONFIG GET. Undefined if all settings are as required. */
function wrongSetting(replies: readonly unknown[]): string | undefined {
  for (const reply of replies) {
    const [name = '', value = ''] = Array.isArray(reply) ? reply.map(String) : [];
    const required = REQUIRED_SETTINGS.get(name);
    if (value !== required) return `this Redis has ${name} "${value}", before Redis 7.2 it must be "${required}"`;
  }
  return undefined;
}

function hasWaitAof(info: string): boolean {
  const [, major = 0, minor = 0] = /redis_version:(\d+)\.(\d+)/.exec(info)?.map(Number) ?? [];
  return major > 7 || (major === 7 && minor >= 2);
}

/** Rethrows: a command that our user may not run stops the start, other errors mean that Redis is away. */
function denied(command: string): (thrown: unknown) => never {
  return (thrown) => {
    const error = asError(thrown);
    throw error.message.startsWith('NOPERM') ? unable(`${command} is denied (${error.message})`, error) : error;
  };
}

function unable(why: string, cause?: Error): GatewayError {
  return new GatewayError('config_invalid', `cannot promise --push.durability=disk: ${why}`, { cause });
}
