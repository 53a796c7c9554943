import { beforeEach, describe, expect, test } from 'vitest';
import { Snapshot } from '../../../services/reader/snapshot/snapshot.ts';
import { applyPending } from '../../../services/reader/text/apply-pending.ts';
import { put } from '../../support/snapshots.ts';

// Changes that the snapshot keeps until the next scrape.

const MIB = 1024 * 1024;

let snapshot: Snapshot;

beforeEach(() => {
  snapshot = new Snapshot();
});

/** Pushes a group with families of these names, and deletes it again. */
function pushAndDelete(names: readonly string[]): void {
  const families = names.map((name) => ({ name, help: 'h'.repeat(100), text: `${name}{job="j"} 1\n` }));
  const id = put(snapshot, { labels: [['job', 'j']], families });
  snapshot.set(id, undefined, 0);
}

const distinct = (from: number, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `family_${from + i}`);

test('deleted families count as pending until they are applied', async () => {
  for (let from = 0; from < 100_000; from += 1_000) pushAndDelete(distinct(from, 1_000));
  expect(snapshot.lateTexts(50 * MIB)).toEqual([]);
  expect(snapshot.lateTexts(20 * MIB)).toEqual([snapshot.text]);
  expect(snapshot.lateTexts(0)).toEqual([]);
  await applyPending(snapshot.text);
  expect(snapshot.text.chunks().bytes).toBe(0);
});

test('their headers are removed in slices, not by the scrape at once', () => {
  pushAndDelete(['first']);
  snapshot.text.chunks();
  for (let from = 0; from < 50_000; from += 1_000) pushAndDelete(distinct(from, 1_000));
  let calls = 0;
  while (snapshot.text.applyPending(() => true) > 0) calls++;
  expect(calls).toBeGreaterThan(50_000);
});

test('changes to existing text count, even if each replaces the previous one; new text does not', () => {
  const push = (value: string): void => {
    put(snapshot, { labels: [['job', 'j']], families: [{ name: 'm', text: `m{job="j"} ${value}\n` }] });
  };
  push('1'.repeat(1_000_000));
  expect(snapshot.lateTexts(100_000)).toEqual([]);
  for (let i = 0; i < 100; i++) push(String(i));
  expect(snapshot.lateTexts(100 * 100)).toEqual([snapshot.text]);
});

test('changes are applied to partitions, too', async () => {
  const partition = await snapshot.partition(0, 1, 0);
  expect(partition).toBe(snapshot.text);
  const partitions = [await snapshot.partition(0, 2, 0), await snapshot.partition(1, 2, 0)];
  pushAndDelete(['first']);
  expect(snapshot.lateTexts(0)).toEqual([snapshot.text, ...partitions]);
});

describe('expiry', () => {
  test('removes expired families in slices', () => {
    for (let i = 0; i < 100; i++) put(snapshot, { labels: [['job', `j${i}`]], untilMs: 1_000 });
    expect(snapshot.expire(999, () => true)).toBe(true);
    let calls = 0;
    while (!snapshot.expire(1_000, () => true)) calls++;
    expect(calls).toBe(100);
    expect(snapshot.stats.groups).toBe(0);
    expect(snapshot.expire(1_000)).toBe(true);
  });
});
