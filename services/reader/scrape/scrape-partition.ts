/** The partition of the exposition that a scraper requests with `?shard=i/n`. */
import { shardOf } from '../../../shared/model/group.ts';

export interface Partition {
  /** From 0; less than `n`. */
  readonly i: number;
  readonly n: number;
}

const WHOLE: Partition = { i: 0, n: 1 };
const MAX_PARTITIONS = 1_024;

/**
 * Parses the value of `?shard=`; without one the partition is the whole exposition. Returns undefined if it is invalid.
 */
export function parsePartition(shard: unknown): Partition | undefined {
  if (shard === undefined) return WHOLE;
  if (typeof shard !== 'string') return undefined;
  const match = /^(\d{1,4})\/(\d{1,4})$/.exec(shard);
  const [i, n] = [Number(match?.[1]), Number(match?.[2])];
  return i < n && n <= MAX_PARTITIONS ? { i, n } : undefined;
}

export function isInPartition(groupId: string, { i, n }: Partition): boolean {
  return n === 1 || shardOf(groupId, n) === i;
}
