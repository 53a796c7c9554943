import { beforeEach, describe, expect, test } from 'vitest';
import { filterGroups, takePage } from '../../services/reader/query/list-groups.ts';
import { GroupIndex } from '../../services/reader/query/group-index.ts';
import { parseSelector } from '../../services/reader/query/selector.ts';
import type { Labels } from '../../shared/model/metric-family.ts';
import { Snapshot } from '../../services/reader/snapshot/snapshot.ts';
import { put } from '../support/snapshots.ts';

let snapshot: Snapshot;
let index: GroupIndex;

beforeEach(() => {
  snapshot = new Snapshot();
  index = new GroupIndex(snapshot);
});

const values = (labels: Labels): string => labels.map(([, value]) => value).join();
const listed = (groups = index.groups()): string[] => groups.map(({ group }) => values(group.labels));
/** Adds a group with these values of the labels job and a. */
const add = (job: string, a?: string): string => put(snapshot, { labels: labelsOf(job, a) });
const labelsOf = (job: string, a?: string): Labels =>
  a === undefined
    ? [['job', job]]
    : [
        ['a', a],
        ['job', job],
      ];

const found = (filter: Parameters<typeof filterGroups>[1]): string[] => listed(filterGroups(index.groups(), filter));

/** Follows the cursors to the end; `meanwhile` is called after each page. */
function walk(limit: number, meanwhile: (at: number) => void = () => {}): string[] {
  const seen: string[] = [];
  let cursor: string | undefined;
  for (let at = 0; ; at++) {
    const page = takePage(index.groups(), limit, cursor);
    seen.push(...page.groups.map(({ labels }) => values(labels)));
    cursor = page.nextCursor;
    if (cursor === undefined) return seen;
    meanwhile(at);
  }
}

describe('the order', () => {
  test('by job, then by the other labels; groups without a job last', () => {
    put(snapshot, { kind: 'ingest', labels: [['a', 'x']] });
    put(snapshot, { kind: 'ingest', labels: [] });
    for (const [job, a] of [['k', '2'], ['j', '2'], ['k'], ['j', '1']] as const) add(job, a);
    expect(listed()).toEqual(['1,j', '2,j', 'k', '2,k', '', 'x']);
  });

  test('follows groups that are added and removed', () => {
    const j = add('j');
    add('l');
    expect(listed()).toEqual(['j', 'l']);
    add('k');
    snapshot.set(j, undefined, 0);
    expect(listed()).toEqual(['k', 'l']);
    add('j');
    expect(listed()).toEqual(['j', 'k', 'l']);
  });

  test('is not rebuilt while the groups stay the same', () => {
    add('j');
    const before = index.groups();
    const { membership } = snapshot;
    add('j');
    expect(snapshot.membership).toBe(membership);
    expect(index.groups()).toBe(before);
  });

  test('an expired group is removed', () => {
    put(snapshot, { labels: labelsOf('j'), untilMs: 1_000 });
    expect(listed()).toEqual(['j']);
    snapshot.expire(1_000);
    expect(listed()).toEqual([]);
  });
});

describe('pages', () => {
  test.for([1, 2, 3, 9, 10, 11])('of %i show every group once', (limit) => {
    const jobs = Array.from({ length: 10 }, (_, i) => `job-${i}`);
    for (const job of jobs) add(job);
    expect(walk(limit)).toEqual(jobs);
  });

  test('there is no cursor on the last page', () => {
    add('j');
    expect(takePage(index.groups(), 1, undefined).nextCursor).toBeUndefined();
    expect(takePage([], 1, undefined)).toEqual({ groups: [], nextCursor: undefined });
  });

  test('continue at the same place when the group of the cursor was removed', () => {
    const ids = Array.from({ length: 6 }, (_, i) => add(`job-${i}`));
    const seen = walk(2, (at) => {
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

  test('any labels', () => {
    const long = '🚀'.repeat(400);
    const jobs = ['é'.repeat(399), ' \0\n"', `${long}1`, `${long}2`, `x${long}1`, `x${long}2`, 'ß'];
    for (const job of jobs) add(job);
    expect(walk(1).toSorted()).toEqual(jobs.toSorted());
    for (const { key } of index.groups()) expect(key.length).toBeLessThan(500);
  });

  test.for(['', 'x', 'AAAA', Buffer.from('0"job","x"').toString('base64url'), `${'A'.repeat(30)}=`, 'né'])(
    'cursor %j is refused',
    (cursor) => {
      expect(() => takePage(index.groups(), 1, cursor)).toThrow(
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
  ] as const)('text %j', ([text, expected]) => {
    expect(found({ text })).toEqual(expected);
  });

  test('at least one selector must match, and every other filter', () => {
    const selectors = ['job="ci"', '{a=~"db-.*"}'].map(parseSelector);
    expect(found({ selectors })).toEqual(['db-2,backup', 'ci']);
    expect(found({ selectors, text: 'CI' })).toEqual(['ci']);
    expect(found({ failed: true })).toEqual(['etl']);
    expect(found({ failed: true, selectors })).toEqual([]);
  });
});
