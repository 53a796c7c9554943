import { describe, expect, test } from 'vitest';
import { compileJobPattern, ttlForJob } from '../../../shared/config/values/ttl-rules.ts';
import { loadConfig } from '../../../shared/config/read/load.ts';
import { configFromFlags } from '../../support/config.ts';

test.each<[string, string, boolean]>([
  ['backup', 'backup', true],
  ['backup', 'backup-1', false],
  ['ackup', 'backup', false],
  ['a|b', 'ab', false],
  ['a|b', 'b', true],
  ['backup-.*', 'backup-x\ny', true],
  ['(?i)BACKUP', 'Backup', true],
  ['(?P<kind>ci|cd)-[0-9]+', 'ci-12', true],
  [String.raw`a\-b\_c`, 'a-b_c', true],
  [String.raw`[a\-z]+`, 'a-z', true],
  [String.raw`[a\-z]+`, 'b', false],
  [String.raw`a\\-b`, String.raw`a\-b`, true],
  [String.raw`\d+\.\d+`, '1.5', true],
  [String.raw`\p{L}+`, 'für', true],
  ['.', '😀', true],
  ['', '', true],
])('%s matches %j: %s', (pattern, job, matches) => {
  const compiled = compileJobPattern(pattern);
  expect([compiled.test(job), compiled.test(job)]).toEqual([matches, matches]);
});

test.each([
  '(',
  'a**',
  '[b-a]',
  '(?=a)',
  '(?<!a)b',
  String.raw`(a)\1`,
  '[[:alpha:]]',
  '[]a]',
  String.raw`\z`,
  String.raw`\Qa\E`,
])('%s is refused', (pattern) => {
  expect(() => compileJobPattern(pattern)).toThrow(/^expected a regular expression: /);
});

describe('ttlForJob', () => {
  const yaml = 'ttl_rules: [{job: "ci-nightly", ttl: 0}, {job: "ci-.*", ttl: 15m}, {job: ".*x", ttl: 1h}]';
  const loaded = loadConfig({ argv: ['--config.file=f'], env: {}, readFile: () => yaml });
  if (loaded.kind !== 'config') throw new Error(JSON.stringify(loaded));

  test.each([
    ['ci-nightly', 0],
    ['ci-x', 900_000],
    ['x', 3_600_000],
    ['other', 300_000],
  ])('%s: %d', (job, ms) => {
    expect(ttlForJob(loaded.config, job)).toBe(ms);
  });

  test('is the default without rules', () => {
    expect(ttlForJob(configFromFlags('--redis.expiration=0'), 'x')).toBe(0);
  });
});
