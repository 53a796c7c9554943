/**
 * What has to be true of a push before it is acknowledged:
 *
 *     memory    Redis has it
 *     replica   so many replicas have it, too (WAIT)
 *     disk      it is synced to the append-only file (WAITAOF; before Redis 7.2, by `appendfsync always`)
 *
 * A barrier ends each flush of appends, once for all of them and on the same connection: it speaks for the very server that took
 * them, whoever is the master by then. What it answers is a number or a setting, rarely an error: too little is a shortfall, not a success.
 */
import { Cluster, type Redis } from 'ioredis';
import type { Config } from '../../config/config.ts';
import { asError, GatewayError } from '../../errors.ts';
import type { RedisClient } from './client.ts';

type Command = readonly [string, ...(string | number)[]];

export interface Barrier {
  readonly commands: readonly Command[];
  /** Undefined when the replies are enough. */
  shortfall(replies: readonly unknown[]): Shortfall | undefined;
}

export interface Shortfall {
  readonly reason: string;
  /** Whether it may be enough a little later. */
  readonly mayPass: boolean;
}

const WAIT_TIMEOUT_MS = 1_000;
/** A file that is synced each second takes up to that long. */
const WAITAOF_TIMEOUT_MS = 2_500;
/** What the append-only file has to be like where there is no WAITAOF. */
const SYNCED = { appendonly: 'yes', appendfsync: 'always' } as const;

/** Undefined where no barrier is needed. Throws `config_invalid` when this Redis cannot give what is asked for. */
export async function chooseBarrier(client: RedisClient, config: Config): Promise<Barrier | undefined> {
  const { durability } = config.push;
  switch (durability) {
    case 'memory':
      return undefined;
    case 'replica':
      return replicaBarrier(config.redis.waitReplicas, patience(config, WAIT_TIMEOUT_MS));
    case 'disk':
      return await diskBarrier(client, patience(config, WAITAOF_TIMEOUT_MS));
    default:
      durability satisfies never;
      return undefined;
  }
}

/** Shorter than the silence after which a connection is given up, for nothing else is answered on it meanwhile. */
function patience({ redis: { timeoutMs } }: Config, wantedMs: number): number {
  return timeoutMs === 0 ? wantedMs : Math.max(1, Math.min(wantedMs, Math.floor(timeoutMs / 2)));
}

function replicaBarrier(wanted: number, waitMs: number): Barrier {
  return {
    commands: [['WAIT', wanted, waitMs]],
    shortfall: ([reply]) =>
      Number(reply) >= wanted
        ? undefined
        : { reason: `${Number(reply)} of ${wanted} replicas confirmed it`, mayPass: true },
  };
}

async function diskBarrier(client: RedisClient, waitMs: number): Promise<Barrier> {
  const nodes = client instanceof Cluster ? client.nodes('master') : [client];
  if (nodes.length === 0) throw new Error('no master of the Cluster is known yet');
  const infos = await Promise.all(nodes.map(infoOf));
  if (infos.every(hasWaitAof)) {
    if (infos.some((info) => info.includes('aof_enabled:0')))
      throw unable('this Redis has no append-only file (appendonly)');
    return {
      commands: [['WAITAOF', 1, 0, waitMs]],
      shortfall: ([reply]) =>
        Array.isArray(reply) && Number(reply[0]) >= 1
          ? undefined
          : { reason: 'it was not synced to disk in time', mayPass: true },
    };
  }
  for (const node of nodes) {
    for (const name of Object.keys(SYNCED)) {
      const missing = missingFrom(await settingOf(node, name));
      if (missing !== undefined)
        throw unable(`${missing}, before Redis 7.2 it must be "${SYNCED[name as keyof typeof SYNCED]}"`);
    }
  }
  // Asked each time: after a failover it is another server, and a setting can be changed.
  return {
    commands: Object.keys(SYNCED).map((name): Command => ['CONFIG', 'GET', name]),
    shortfall: (replies) => {
      const reason = replies.map(missingFrom).find((missing) => missing !== undefined);
      return reason === undefined ? undefined : { reason, mayPass: false };
    },
  };
}

/** `reply` is that of CONFIG GET. Undefined when the setting is as it has to be. */
function missingFrom(reply: unknown): string | undefined {
  const [name, found] = Array.isArray(reply) ? reply.map(String) : [];
  const wanted = Object.entries(SYNCED).find(([setting]) => setting === name)?.[1];
  return wanted !== undefined && found === wanted ? undefined : `this Redis has ${String(name)} "${String(found)}"`;
}

function hasWaitAof(info: string): boolean {
  const version = /redis_version:(\d+)\.(\d+)/.exec(info);
  const [major, minor] = [Number(version?.[1] ?? 0), Number(version?.[2] ?? 0)];
  return major > 7 || (major === 7 && minor >= 2);
}

async function infoOf(node: Redis): Promise<string> {
  return await node.info().catch((thrown: unknown) => {
    throw refused('INFO', thrown);
  });
}

async function settingOf(node: Redis, name: string): Promise<unknown> {
  return await node.config('GET', name).catch((thrown: unknown) => {
    throw refused(`CONFIG GET ${name}`, thrown);
  });
}

/** What is refused to our user stops the start; other errors are Redis' being away. */
function refused(command: string, thrown: unknown): Error {
  const error = asError(thrown);
  return error.message.startsWith('NOPERM') ? unable(`${command} is refused (${error.message})`, error) : error;
}

function unable(why: string, cause?: Error): GatewayError {
  return new GatewayError('config_invalid', `cannot promise --push.durability=disk: ${why}`, { cause });
}
