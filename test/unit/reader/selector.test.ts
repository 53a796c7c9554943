import { describe, expect, test } from 'vitest';
import type { Labels } from '../../../shared/model/metric-family.ts';
import { GroupIndex } from '../../../services/reader/query/group-index.ts';
import { filterGroups } from '../../../services/reader/query/list-groups.ts';
import { patternBudget, PatternMatcher } from '../../../services/reader/query/pattern-matcher.ts';
import matchPattern from '../../../services/reader/query/pattern-thread.ts';
import { simpleTest } from '../../../services/reader/query/selector-pattern.ts';
import { parseSelector } from '../../../services/reader/query/selector.ts';
import { Snapshot } from '../../../services/reader/snapshot/snapshot.ts';
import { put } from '../../support/snapshots.ts';

const patterns = new PatternMatcher({ run: async (task) => await Promise.resolve(matchPattern(task)) });

/** Whether the selector selects a group with these labels. */
async function isSelected(labels: Labels, selector: string): Promise<boolean> {
  const snapshot = new Snapshot();
  put(snapshot, { labels });
  const all = await new GroupIndex(snapshot).groups();
  return (await filterGroups(all, { selectors: [parseSelector(selector)] }, patterns)).length === 1;
}

const group: Labels = [
  ['env', 'prod'],
  ['instance', 'a1'],
  ['job', 'x'],
  ['my.label', 'é"\\\n'],
];

describe('valid selectors', () => {
  test.for([
    ['{}', true],
    ['{job="x"}', true],
    ['job="x"', true],
    [' { job = "x" , } ', true],
    ['job="x",', true],
    ['{job="y"}', false],
    ['{job="x",instance=~"a.*",env!="dev"}', true],
    ['{job="x",instance=~"a.*",env!="prod"}', false],
    ['{job=~"x|y"}', true],
    // Anchored at both ends.
    ['{instance=~"a"}', false],
    ['{instance=~"1"}', false],
    ['{instance!~"a"}', true],
    ['{instance=~"a|1"}', false],
    ['{instance=~"(?i)A1"}', true],
    ['{instance=~"[[:alpha:]]\\\\d"}', true],
    ['{instance=~`a\\d`}', true],
    // A missing label is empty.
    ['{nothing=""}', true],
    ['{nothing=~".*"}', true],
    ['{nothing=~".+"}', false],
    ['{nothing!="x"}', true],
    // Strings as in Go; a dot matches a line end.
    ["{job='x'}", true],
    ['{job=`x`}', true],
    ['{job="\\x78"}', true],
    ['{job="\\u0078"}', true],
    ['{job="\\170"}', true],
    ['{"my.label"="é\\"\\\\\\n"}', true],
    ['{"my.label"=~"é.*"}', true],
    ['{job="x",job="y"}', false],
  ] as const)('%s → %s', async ([text, expected]) => {
    expect(await isSelected(group, text)).toBe(expected);
  });
});

describe('invalid selectors', () => {
  test.for([
    ['', `expected a label name at character 1, found the end`],
    ['{', `expected a label name at character 2, found the end`],
    ['{job="x"', `expected "," or "}" at character 9, found the end`],
    ['{job="x" a="b"}', `expected "," or "}" at character 10, found 'a'`],
    ['{job="x"}}', `expected the end at character 10, found '}'`],
    ['{job="x"} or', `expected the end at character 11, found 'o'`],
    ['{,}', `expected a label name at character 2, found ','`],
    ['{1="x"}', `expected a label name at character 2, found '1'`],
    ['up{job="x"}', `expected =, !=, =~ or !~ at character 3, found '{'`],
    ['job', `expected =, !=, =~ or !~ at character 4, found the end`],
    ['{job==“x”}', `expected a value in quotes at character 6, found '='`],
    ['{job=x}', `expected a value in quotes at character 6, found 'x'`],
    ['{job="x}', `expected a value in quotes at character 6, found '"'`],
    ['{job="a\nb"}', `expected a value in quotes at character 6, found '"'`],
    ['{job="\\q"}', `expected no escape like "\\\\" at character 7`],
    ['{job="\\ud800"}', `expected no escape like "\\\\ud800" at character 7`],
    ['{job=~"a("}', 'expected a regular expression at character 7: missing closing ): `a(`'],
    ['{job=~"(?=a)"}', 'expected a regular expression at character 7: invalid or unsupported Perl syntax: `(?=`'],
    ['{job=~"a{9999}"}', 'expected a regular expression at character 7: invalid repeat count: `{9999}`'],
    [`job="${'x'.repeat(2_000)}"`, 'expected no more than 2000 characters'],
  ] as const)('%s', async ([text, reason]) => {
    const refused: unknown = await isSelected(group, text).catch((thrown: unknown) => thrown);
    expect(refused).toMatchObject({ code: 'request_invalid' });
    expect(String(refused)).toContain(`: ${reason}`);
    expect(String(refused)).toMatch(/^GatewayError: cannot use selector ".*$/);
  });
});

test('a pattern that makes backtracking engines hang takes linear time', async () => {
  const labels: Labels = [['job', 'a'.repeat(20_000)]];
  expect(await isSelected(labels, '{job=~"(a+)+b"}')).toBe(false);
  expect(await isSelected(labels, '{job=~"(a|aa|a*)*c"}')).toBe(false);
});

// Simple patterns are matched without the engine. The second of each row means the same but needs it.
describe('patterns', () => {
  const values = ['', 'a', 'ab', 'ba', 'bab', 'b', 'b\n', '\nb', 'é', 'xyz', 'A', 'a|b'];
  test.for([
    ['a', '(?:a)'],
    ['', '(?:)'],
    ['a|b', '(?:a|b)'],
    ['a|', '(?:a|)'],
    ['|', '(?:|)'],
    ['a.*', '(?:a).*'],
    ['.*a', '.*(?:a)'],
    ['.*a.*', '.*(?:a).*'],
    ['.*', '(?:.*)'],
    ['.*.*', '(?:.*)(?:.*)'],
    ['b.*', '[b].*'],
    ['.*b', '.*[b]'],
    ['é', '[é]'],
    ['(?i)a', '[aA]'],
    ['.+', '..*'],
  ] as const)('%s is %s', async ([simple, complex]) => {
    const matching = async (pattern: string): Promise<string[]> => {
      const matched = await patterns.matching(pattern, values, patternBudget());
      return values.filter((value) => matched.has(value));
    };
    const isMatch = simpleTest(simple);
    expect(isMatch === undefined ? await matching(simple) : values.filter(isMatch)).toEqual(await matching(complex));
  });
});
