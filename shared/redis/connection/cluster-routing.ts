/**
 * Which server a pipeline goes to. Pipelines are sent to the master of their shard directly (ioredis-workarounds.ts
 * says why), so their sender follows redirections itself.
 */
import { Cluster, Command, type Redis } from 'ioredis';
import type { RedisClient } from './client.ts';

/** The server that has the key. Undefined while a Cluster does not know one; its slots are then refreshed. */
export function masterOf(client: RedisClient, key: string): Redis | undefined {
  if (!(client instanceof Cluster)) return client;
  const slot = new Command('get', [key]).getSlot() ?? 0;
  const [name] = client.slots[slot] ?? [];
  const master = name === undefined ? undefined : nodeOf(client, name);
  if (master === undefined && client.status === 'ready') client.refreshSlotsCache();
  return master;
}

/** The server to ask once instead (ASK): the slot of the key is moving there. */
export function redirectTarget(client: RedisClient, error: Error | null | undefined): Redis | undefined {
  const [, name] = /^ASK \d+ (\S+)$/.exec(error?.message ?? '') ?? [];
  return name === undefined || !(client instanceof Cluster) ? undefined : nodeOf(client, name);
}

/** Refreshes the slots of a Cluster when an error says that a slot has moved. */
export function refreshIfMoved(client: RedisClient, error: Error): void {
  if (client instanceof Cluster && error.message.startsWith('MOVED ')) client.refreshSlotsCache();
}

function nodeOf(client: Cluster, name: string): Redis | undefined {
  const isUsable = ({ status }: Redis): boolean => status !== 'end' && status !== 'close';
  return client.nodes('all').find((node) => `${node.options.host}:${node.options.port}` === name && isUsable(node));
}
