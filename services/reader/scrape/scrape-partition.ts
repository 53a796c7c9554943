/** Which part of the exposition a scraper asked for. */
import { shardOf } from '../../../shared/model/group.ts';

export interface Partition {
  /** From 0. */
  readonly i: number;
  readonly n: number;
}

const WHOLE: Partition = { i: 0, n: 1 };
const MAX_PARTS = 1_024;

/** The value of `?shard=`, `i/n`; the whole when there is none, undefined when it is not that. */
export function parsePartition(shard: unknown): Partition | undefined {
  if (shard === undefined) return WHOLE;
  if (typeof shard !== 'string') return undefined;
  const match = /^(\d{1,4})\/(\d{1,4})$/.exec(shard);
  const [i, n] = [Number(match?.[1]), Number(match?.[2])];
  return i < n && n <= MAX_PARTS ? { i, n } : undefined;
}

export function isInPartition(groupId: string, { i, n }: Partition): boolean {
  return n === 1 || shardOf(groupId, n) === i;
}
