import { describe, expect, test } from 'vitest';
import { makeGroup } from '../../../shared/model/group.ts';
import { PartitionedText, type HoldingText } from '../../../services/reader/text/partitioned-text.ts';

const MINUTE_MS = 60_000;

function holdingText(name: string): HoldingText {
  const group = makeGroup('push', [['job', name]]);
  return { family: 'f', order: name, groupId: group.id, text: Buffer.from(`f{job="${name}"} 1\n`) };
}

function* oneText(): Iterable<HoldingText> {
  yield holdingText('one');
}

const headerOf = () => ({ help: '', type: 'gauge' }) as const;

test('a set of partitions contains changes that happen while it is built', async () => {
  const texts = function* (): Iterable<HoldingText> {
    for (let n = 0; n < 3; n++) {
      // Longer than a slice, so that building yields to the event loop.
      for (const startedMs = performance.now(); performance.now() - startedMs < 15;);
      yield holdingText(`old-${n}`);
    }
  };
  const partitioned = new PartitionedText(headerOf, texts);
  const requests = [0, 1, 2].map(async (i) => partitioned.partition(i, 3, 0));
  const { family, order, groupId, text } = holdingText('new');
  partitioned.set(family, order, groupId, text);
  const partitions = await Promise.all(requests);
  const lines = partitions
    .flatMap((partition) => partition?.chunks().buffers ?? [])
    .flatMap((buffer) =>
      String(buffer)
        .split('\n')
        .filter((line) => line.startsWith('f{')),
    );
  expect(lines.toSorted()).toEqual(['new', 'old-0', 'old-1', 'old-2'].map((id) => `f{job="${id}"} 1`));
});

describe('a client that requests every number of partitions', () => {
  test('has at most one set in construction', async () => {
    let built = 0;
    const texts = function* (): Iterable<HoldingText> {
      built++;
      yield* oneText();
    };
    const partitioned = new PartitionedText(headerOf, texts);
    const requests = Array.from({ length: 1_000 }, async (_, i) => await partitioned.partition(0, i + 2, 0));
    const kept = (await Promise.all(requests)).filter((one) => one !== undefined);
    expect([built, kept.length]).toEqual([1, 1]);
  });

  test('has at most two sets, and does not displace a set in use', async () => {
    const partitioned = new PartitionedText(headerOf, oneText);
    const isKept = async (n: number, nowMs: number): Promise<boolean> =>
      (await partitioned.partition(0, n, nowMs)) !== undefined;
    expect([await isKept(2, 0), await isKept(3, 0)]).toEqual([true, true]);
    for (let n = 4; n <= 1_024; n++) expect(await isKept(n, n)).toBe(false);
    // In use until now.
    expect(await isKept(2, 2 * MINUTE_MS)).toBe(true);
    expect(partitioned.all()).toHaveLength(2 + 3);
    expect(await isKept(4, 2 * MINUTE_MS + 1)).toBe(true);
    expect([partitioned.kept(0, 2), partitioned.kept(0, 3)]).toEqual([expect.anything(), undefined]);
  });

  test('is forgotten after ten minutes', async () => {
    const partitioned = new PartitionedText(headerOf, oneText);
    await partitioned.partition(0, 2, 0);
    partitioned.expire(10 * MINUTE_MS);
    expect(partitioned.all()).toHaveLength(2);
    partitioned.expire(10 * MINUTE_MS + 1);
    expect(partitioned.all()).toEqual([]);
  });
});
