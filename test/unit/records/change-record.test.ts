import { expect, test } from 'vitest';
import { decodeChanges, type ChangeEntry } from '../../../shared/records/change-record.ts';
import { packStrings, unpackStrings } from '../../../shared/records/packed-strings.ts';

let count = 0;
type Told = Readonly<Record<string, readonly string[]>>;

/** `families` as merge.lua tells them, or a text that is none. */
function entry(groups: string, families?: Told | string, pushes = 'p:a'): ChangeEntry {
  const fields = new Map([
    ['pushes', pushes],
    ['groups', groups],
  ]);
  if (families === undefined) return { id: `1-${count++}`, fields };
  const strings = Object.entries(families).flatMap(([id, names]) => [id, String(names.length), ...names]);
  const packed = typeof families === 'string' ? families : String(packStrings(strings));
  return { id: `1-${count++}`, fields: fields.set('families', packed) };
}

/** Groups with what may have changed of them. */
function changedIn(...entries: ChangeEntry[]): Record<string, readonly string[] | 'all'> {
  const { groupIds, families } = decodeChanges(entries);
  return Object.fromEntries([
    ...Array.from(groupIds, (id) => [id, 'all'] as const),
    ...Array.from(families, ([id, names]) => [id, [...names]] as const),
  ]);
}

const ODD = ['a b', 'größer', 'x\n1 2\n', '', '3'];

test.for<[what: string, entries: ChangeEntry[], changed: ReturnType<typeof changedIn>]>([
  ['nothing', [entry('')], {}],
  ['no families told, as by an older worker', [entry('g h')], { g: 'all', h: 'all' }],
  ['some of one group', [entry('g h', { h: ['a'] })], { g: 'all', h: ['a'] }],
  ['none of it: only what is known about the group', [entry('g', { g: [] })], { g: [] }],
  ['any characters', [entry('g h i', { g: ODD, i: ODD })], { g: ODD, h: 'all', i: ODD }],
  ['several entries', [entry('g', { g: ['a', 'b'] }), entry('g', { g: ['b', 'c'] })], { g: ['a', 'b', 'c'] }],
  ['all, then some', [entry('g'), entry('g', { g: ['a'] })], { g: 'all' }],
  ['some, then all', [entry('g', { g: ['a'] }), entry('g')], { g: 'all' }],
  ['a group that is not told of', [entry('h', { g: ['a'] })], { h: 'all' }],
  ['no lengths', [entry('g', 'x')], { g: 'all' }],
  ['cut short', [entry('g', '1 1 5\ng1a')], { g: 'all' }],
])('%s', ([, entries, changed]) => {
  expect(changedIn(...entries)).toEqual(changed);
});

test('outcomes of pushes, among them one of another version, and the last entry', () => {
  const { outcomes, unknownOutcomes, newest } = decodeChanges([
    entry('', undefined, 'a:a b:s'),
    entry('', undefined, 'c:d d:x e:?'),
  ]);
  const known = { a: 'applied', b: 'superseded', c: 'duplicate', d: 'dead-lettered' };
  // Known to be settled, but not how.
  expect(Object.fromEntries(outcomes)).toStrictEqual({ ...known, e: undefined });
  expect([...unknownOutcomes]).toEqual(['?']);
  expect(newest).toBe(`1-${count - 1}`);
  expect(decodeChanges([])).toMatchObject({ newest: '' });
});

test('strings are packed and come back, bytes and text', () => {
  const packed = packStrings(ODD);
  expect(packed).toBe(`3 8 6 0 1\n${ODD.join('')}`);
  expect(unpackStrings(Buffer.from(packed)).map(String)).toEqual(ODD);
  const bytes = Buffer.from([0, 255, 10]);
  expect(unpackStrings(packStrings(['ä', bytes]) as Buffer)).toEqual([Buffer.from('ä'), bytes]);
});
