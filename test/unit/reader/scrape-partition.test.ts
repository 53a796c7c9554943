import { expect, test } from 'vitest';
import { isInPartition, parsePartition } from '../../../services/reader/scrape/scrape-partition.ts';
import { makeGroup } from '../../../shared/model/group.ts';

test.for([
  [undefined, { i: 0, n: 1 }],
  ['0/1', { i: 0, n: 1 }],
  ['2/3', { i: 2, n: 3 }],
  ['1023/1024', { i: 1023, n: 1024 }],
  ['3/3', undefined],
  ['0/0', undefined],
  ['0/1025', undefined],
  ['-1/3', undefined],
  ['1', undefined],
  ['', undefined],
  ['1/3/5', undefined],
  [['0/2', '1/2'], undefined],
])('%s', ([shard, partition]) => {
  expect(parsePartition(shard)).toEqual(partition);
});

test('every group is in exactly one partition', () => {
  for (let n = 1; n < 9; n++) {
    const partitions = Array.from({ length: n }, (_, i) => ({ i, n }));
    for (let group = 0; group < 100; group++) {
      const { id } = makeGroup('push', [['job', String(group)]]);
      expect(partitions.filter((partition) => isInPartition(id, partition))).toHaveLength(1);
    }
  }
});
