/**
 * The connection to the server that has a key.
 *
 * A pipeline goes to one server. ioredis' own for a Cluster sends all of it elsewhere when some of it was redirected and the
 * rest only read: while a slot moves, keys that have not moved yet then look as if they did not exist. So pipelines go to the
 * owner itself, and redirections are for whoever sent them.
 */
import { Cluster, Command, type Redis } from 'ioredis';
import type { RedisClient } from './connections.ts';

/** Undefined while nobody is known to have it; what a Cluster knows is then brought up to date. */
export function ownerOf(client: RedisClient, key: string): Redis | undefined {
  if (!(client instanceof Cluster)) return client;
  const slot = new Command('get', [key]).getSlot() ?? 0;
  const [name] = client.slots[slot] ?? [];
  const owner = name === undefined ? undefined : nodeOf(client, name);
  if (owner === undefined && client.status === 'ready') client.refreshSlotsCache();
  return owner;
}

/** Whom an error says to ask instead, this once: the key is on its way to it. */
export function askedFrom(client: RedisClient, error: Error | null | undefined): Redis | undefined {
  const [, name] = /^ASK \d+ (\S+)$/.exec(error?.message ?? '') ?? [];
  return name === undefined || !(client instanceof Cluster) ? undefined : nodeOf(client, name);
}

/** Has a Cluster look who owns what, when an error says that it was wrong about it. */
export function learnFrom(client: RedisClient, error: Error): void {
  if (client instanceof Cluster && error.message.startsWith('MOVED ')) client.refreshSlotsCache();
}

function nodeOf(client: Cluster, name: string): Redis | undefined {
  const isUsable = ({ status }: Redis): boolean => status !== 'end' && status !== 'close';
  return client.nodes('all').find((node) => `${node.options.host}:${node.options.port}` === name && isUsable(node));
}
