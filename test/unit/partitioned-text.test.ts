import { expect, test } from 'vitest';
import { makeGroup } from '../../shared/model/group.ts';
import { PartitionedText, type HoldingText } from '../../services/reader/text/partitioned-text.ts';

function holdingText(name: string): HoldingText {
  const group = makeGroup('push', [['job', name]]);
  return { family: 'f', order: name, groupId: group.id, text: Buffer.from(`f{job="${name}"} 1\n`) };
}

test('more sets of partitions are requested at once than are kept: each gets what changes while it is built', async () => {
  const texts = function* (): Iterable<HoldingText> {
    for (let n = 0; n < 3; n++) {
      // Longer than a slice, so that building yields to the event loop.
      for (const startedMs = performance.now(); performance.now() - startedMs < 15;);
      yield holdingText(`old-${n}`);
    }
  };
  const partitioned = new PartitionedText(() => ({ help: '', type: 'gauge' }), texts);
  const requests = [2, 3, 4].map(async (n) =>
    Promise.all(Array.from({ length: n }, async (_, i) => partitioned.partition(i, n, n))),
  );
  const { family, order, groupId, text } = holdingText('new');
  partitioned.set(family, order, groupId, text);
  for (const partitions of await Promise.all(requests)) {
    const lines = partitions
      .flatMap((partition) => partition.chunks().buffers)
      .flatMap((buffer) =>
        String(buffer)
          .split('\n')
          .filter((line) => line.startsWith('f{')),
      );
    expect(lines.toSorted()).toEqual(['new', 'old-0', 'old-1', 'old-2'].map((id) => `f{job="${id}"} 1`));
  }
});
