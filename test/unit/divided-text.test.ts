import { expect, test } from 'vitest';
import { makeGroup } from '../../shared/model/group.ts';
import { DividedText, type ShownText } from '../../services/reader/text/partitioned-text.ts';

function shownOf(name: string): ShownText {
  const group = makeGroup('push', [['job', name]]);
  return { family: 'f', order: name, groupId: group.id, text: Buffer.from(`f{job="${name}"} 1\n`) };
}

test('more divisions asked for at once than are kept: each has what changed while it was being made', async () => {
  const shown = function* (): Iterable<ShownText> {
    for (let n = 0; n < 3; n++) {
      // Longer than a slice: making it gives way to others.
      for (const startedMs = performance.now(); performance.now() - startedMs < 15;);
      yield shownOf(`old-${n}`);
    }
  };
  const divided = new DividedText(() => ({ help: '', type: 'gauge' }), shown);
  const divisions = [2, 3, 4];
  const asked = divisions.map(async (n) =>
    Promise.all(Array.from({ length: n }, async (_, i) => divided.part(i, n, n))),
  );
  const { family, order, groupId, text } = shownOf('new');
  divided.set(family, order, groupId, text);
  for (const parts of await Promise.all(asked)) {
    const lines = parts
      .flatMap((part) => part.parts().buffers)
      .flatMap((buffer) =>
        String(buffer)
          .split('\n')
          .filter((line) => line.startsWith('f{')),
      );
    expect(lines.toSorted()).toEqual(['new', 'old-0', 'old-1', 'old-2'].map((id) => `f{job="${id}"} 1`));
  }
});
