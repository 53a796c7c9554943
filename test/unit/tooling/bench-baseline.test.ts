import { describe as group, expect, test } from 'vitest';
import { describe, judge, sectionsOf, type Ratio, type Verdict } from '../../bench/report/baseline.ts';

const lower = (value: number, id = 'push.cost'): Ratio => ({ id, what: 'cost of a push', better: 'lower', value });
const higher = (value: number): Ratio => ({ id: 'push.rate', what: 'rate of pushes', better: 'higher', value });
const only = (verdicts: readonly Verdict[]): Verdict => {
  expect(verdicts).toHaveLength(1);
  return verdicts[0] as Verdict;
};

group('a ratio is worse', () => {
  test.for<[string, Ratio, Ratio, boolean]>([
    ['a cost that is the same', lower(2), lower(2), false],
    ['a cost up by 14 %', lower(2), lower(2.28), false],
    ['a cost up by 15 %', lower(2), lower(2.3), false],
    ['a cost up by 16 %', lower(2), lower(2.32), true],
    ['a cost down by half', lower(2), lower(1), false],
    ['a rate that is the same', higher(0.8), higher(0.8), false],
    ['a rate down by 14 %', higher(0.8), higher(0.688), false],
    ['a rate down by 15 %', higher(0.8), higher(0.68), false],
    ['a rate down by 16 %', higher(0.8), higher(0.672), true],
    ['a rate up by half', higher(0.8), higher(1.2), false],
    ['a cost that is not a number', lower(2), lower(Number.NaN), true],
    ['an infinite rate', higher(0.8), higher(Number.POSITIVE_INFINITY), false],
    ['a baseline of 0', lower(0), lower(1), true],
  ])('%s', ([, baseline, now, worse]) => {
    expect(only(judge([baseline], [now])).isWorse).toBe(worse);
  });
});

test('a ratio that was not measured is worse', () => {
  const verdict = only(judge([lower(2)], [higher(1)]));
  expect(verdict.isWorse).toBe(true);
  expect(describe(verdict)).toBe('push.cost (cost of a push): baseline 2.000, now not measured');
});

test('a ratio without a baseline is not judged', () => {
  expect(judge([], [lower(2)])).toEqual([]);
});

test('the caller can set the limit', () => {
  expect(only(judge([lower(2)], [lower(2.3)], 0.1)).isWorse).toBe(true);
});

test('a line names the ratio, its baseline, its new value and the change', () => {
  expect(describe(only(judge([lower(2)], [lower(2.5)])))).toBe(
    'push.cost (cost of a push): baseline 2.000, now 2.500, 25.0 % worse',
  );
  expect(describe(only(judge([higher(0.8)], [higher(0.6)])))).toBe(
    'push.rate (rate of pushes): baseline 0.800, now 0.600, 25.0 % worse',
  );
  expect(describe(only(judge([higher(0.8)], [higher(1)])))).toContain('now 1.000, 25.0 % better');
});

test('sections with a worse ratio are measured again, each once', () => {
  const baseline = ['push.a', 'push.b', 'scrape.a', 'memory.a'].map((id) => lower(1, id));
  const now = [lower(2, 'push.a'), lower(2, 'push.b'), lower(1, 'scrape.a')];
  expect(sectionsOf(judge(baseline, now))).toEqual(['push', 'memory']);
});
