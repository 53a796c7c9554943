import { beforeEach, describe, expect, test } from 'vitest';
import { cursorOf, filterGroups, takePage } from '../../../services/reader/query/list-groups.ts';
import { GroupIndex, type ListedGroup } from '../../../services/reader/query/group-index.ts';
import { PatternMatcher } from '../../../services/reader/query/pattern-matcher.ts';
import matchPattern from '../../../services/reader/query/pattern-thread.ts';
import { parseSelector } from '../../../services/reader/query/selector.ts';
import type { Labels } from '../../../shared/model/metric-family.ts';
import { Snapshot } from '../../../services/reader/snapshot/snapshot.ts';
import { put } from '../../support/snapshots.ts';

let snapshot: Snapshot;
let index: GroupIndex;
const patterns = new PatternMatcher({ run: async (task) => await Promise.resolve(matchPattern(task)) });

beforeEach(() => {
  snapshot = new Snapshot();
  index = new GroupIndex(snapshot);
});

const values = (labels: Labels): string => labels.map(([, value]) => value).join();
const listed = async (groups?: readonly ListedGroup[]): Promise<string[]> =>
  (groups ?? (await index.groups())).map(({ group }) => values(group.labels));
/** Adds a group with these values of the labels job and a. */
const add = (job: string, a?: string): string => put(snapshot, { labels: labelsOf(job, a) });
const labelsOf = (job: string, a?: string): Labels =>
  a === undefined
    ? [['job', job]]
    : [
        ['a', a],
        ['job', job],
      ];

const found = async (filter: Parameters<typeof filterGroups>[1]): Promise<string[]> =>
  await listed(await filterGroups(await index.groups(), filter, patterns));

/** Follows the cursors to the end; `meanwhile` is called after each page. */
async function walk(limit: number, meanwhile: (at: number) => void = () => {}): Promise<string[]> {
  const seen: string[] = [];
  let cursor: string | undefined;
  for (let at = 0; ; at++) {
    const { groups, isLast } = takePage(await index.groups(), limit, cursor);
    seen.push(...(await listed(groups)));
    const [last] = groups.slice(-1);
    if (isLast || last === undefined) return seen;
    cursor = cursorOf(last);
    meanwhile(at);
  }
}

describe('the order', () => {
  test('by job, then by the other labels; groups without a job last', async () => {
    put(snapshot, { kind: 'ingest', labels: [['a', 'x']] });
    put(snapshot, { kind: 'ingest', labels: [] });
    for (const [job, a] of [['k', '2'], ['j', '2'], ['k'], ['j', '1']] as const) add(job, a);
    expect(await listed()).toEqual(['1,j', '2,j', 'k', '2,k', '', 'x']);
  });

  test('follows groups that are added and removed', async () => {
    const j = add('j');
    add('l');
    expect(await listed()).toEqual(['j', 'l']);
    add('k');
    snapshot.set(j, undefined, 0);
    expect(await listed()).toEqual(['k', 'l']);
    add('j');
    expect(await listed()).toEqual(['j', 'k', 'l']);
  });

  test('is not rebuilt while the groups stay the same', async () => {
    add('j');
    const before = await index.groups();
    const { membership } = snapshot;
    add('j');
    expect(snapshot.membership).toBe(membership);
    expect(await index.groups()).toBe(before);
  });

  test('an expired group is removed', async () => {
    put(snapshot, { labels: labelsOf('j'), untilMs: 1_000 });
    expect(await listed()).toEqual(['j']);
    snapshot.expire(1_000);
    expect(await listed()).toEqual([]);
  });
});

describe('pages', () => {
  test.for([1, 2, 3, 9, 10, 11])('pages of %i groups show every group once', async (limit) => {
    const jobs = Array.from({ length: 10 }, (_, i) => `job-${i}`);
    for (const job of jobs) add(job);
    expect(await walk(limit)).toEqual(jobs);
  });

  test('there is no cursor on the last page', async () => {
    add('j');
    expect(takePage(await index.groups(), 1, undefined).isLast).toBe(true);
    expect(takePage([], 1, undefined)).toEqual({ groups: [], isLast: true });
  });

  test('the next page continues at the same place when the group of the cursor was removed', async () => {
    const ids = Array.from({ length: 6 }, (_, i) => add(`job-${i}`));
    const seen = await walk(2, (at) => {
      for (const id of ids.slice(0, 2 * (at + 1))) snapshot.set(id, undefined, 0);
      add(`job-${2 * at}-new`);
      add(`job-9${at}`);
    });
    expect(seen).toEqual([
      'job-0',
      'job-1',
      'job-2',
      'job-3',
      'job-4',
      'job-5',
      'job-90',
      'job-91',
      'job-92',
      'job-93',
    ]);
  });

  test('cursors work with any labels', async () => {
    const long = '🚀'.repeat(400);
    const jobs = ['é'.repeat(399), ' \0\n"', `${long}1`, `${long}2`, `x${long}1`, `x${long}2`, 'ß'];
    for (const job of jobs) add(job);
    expect((await walk(1)).toSorted()).toEqual(jobs.toSorted());
    for (const { key } of await index.groups()) expect(key.length).toBeLessThan(500);
  });

  test.for(['', 'x', 'AAAA', Buffer.from('0"job","x"').toString('base64url'), `${'A'.repeat(30)}=`, 'né'])(
    'cursor %j is refused',
    async (cursor) => {
      const groups = await index.groups();
      expect(() => takePage(groups, 1, cursor)).toThrow(
        /^cannot use cursor ".*": expected the next_cursor of an earlier response$/,
      );
    },
  );
});

describe('the filter', () => {
  beforeEach(() => {
    add('backup', 'Db-1');
    add('backup', 'db-2');
    add('ci');
    put(snapshot, { labels: labelsOf('etl'), pushedMs: 5, failedMs: 6 });
    put(snapshot, {
      labels: [
        ['job', 'quo"te'],
        ['my.label', '\u202e'],
      ],
    });
  });

  test.for([
    ['', ['Db-1,backup', 'db-2,backup', 'ci', 'etl', 'quo"te,\u202e']],
    ['DB-', ['Db-1,backup', 'db-2,backup']],
    ['job="ci', ['ci']],
    ['job="backup", a="db-1"', ['Db-1,backup']],
    // Labels as they are displayed.
    ['quo\\"te', ['quo"te,\u202e']],
    ['"my.label"="\\u202e"', ['quo"te,\u202e']],
    ['nothing', []],
  ] as const)('text %j', async ([text, expected]) => {
    expect(await found({ text })).toEqual(expected);
  });

  test('at least one selector must match, and every other filter', async () => {
    const selectors = ['job="ci"', '{a=~"db-.*"}'].map(parseSelector);
    expect(await found({ selectors })).toEqual(['db-2,backup', 'ci']);
    expect(await found({ selectors, text: 'CI' })).toEqual(['ci']);
    expect(await found({ failed: true })).toEqual(['etl']);
    expect(await found({ failed: true, selectors })).toEqual([]);
  });
});
