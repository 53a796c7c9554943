import { expect, test } from 'vitest';
import { decodeChanges, type ChangeEntry } from '../../../shared/records/change-record.ts';
import { packStrings, unpackStrings } from '../../../shared/records/packed-strings.ts';

let count = 0;
type FamiliesByGroup = Readonly<Record<string, readonly string[]>>;

/** `families`: as merge.lua writes them, or an invalid text. */
function entry(groups: string, families?: FamiliesByGroup | string, pushes = 'p:a'): ChangeEntry {
  const fields = new Map([
    ['pushes', pushes],
    ['groups', groups],
  ]);
  if (families === undefined) return { id: `1-${count++}`, fields };
  const strings = Object.entries(families).flatMap(([id, names]) => [id, String(names.length), ...names]);
  const packed = typeof families === 'string' ? families : String(packStrings(strings));
  return { id: `1-${count++}`, fields: fields.set('families', packed) };
}

/** For each changed group, the families that may have changed. */
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
  ['no list of families, as written by an older worker', [entry('g h')], { g: 'all', h: 'all' }],
  ['some families of one group', [entry('g h', { h: ['a'] })], { g: 'all', h: ['a'] }],
  ['no family: only the metadata of the group', [entry('g', { g: [] })], { g: [] }],
  ['any characters', [entry('g h i', { g: ODD, i: ODD })], { g: ODD, h: 'all', i: ODD }],
  ['several entries', [entry('g', { g: ['a', 'b'] }), entry('g', { g: ['b', 'c'] })], { g: ['a', 'b', 'c'] }],
  ['all families, then some', [entry('g'), entry('g', { g: ['a'] })], { g: 'all' }],
  ['some families, then all', [entry('g', { g: ['a'] }), entry('g')], { g: 'all' }],
  ['families of a group that the entry does not name', [entry('h', { g: ['a'] })], { h: 'all' }],
  ['no lengths', [entry('g', 'x')], { g: 'all' }],
  ['cut short', [entry('g', '1 1 5\ng1a')], { g: 'all' }],
])('%s', ([, entries, changed]) => {
  expect(changedIn(...entries)).toEqual(changed);
});

test('outcomes of pushes, one of them unknown to this version, and the last entry', () => {
  const { outcomes, unknownOutcomes, newest } = decodeChanges([
    entry('', undefined, 'a:a b:s'),
    entry('', undefined, 'c:d d:x e:?'),
  ]);
  const known = { a: 'applied', b: 'superseded', c: 'duplicate', d: 'dead-lettered' };
  // The push is settled, but the outcome is unknown.
  expect(Object.fromEntries(outcomes)).toStrictEqual({ ...known, e: undefined });
  expect([...unknownOutcomes]).toEqual(['?']);
  expect(newest).toBe(`1-${count - 1}`);
  expect(decodeChanges([])).toMatchObject({ newest: '' });
});

test('packed strings are unpacked as bytes or text', () => {
  const packed = packStrings(ODD);
  expect(packed).toBe(`3 8 6 0 1\n${ODD.join('')}`);
  expect(unpackStrings(Buffer.from(packed)).map(String)).toEqual(ODD);
  const bytes = Buffer.from([0, 255, 10]);
  expect(unpackStrings(packStrings(['ä', bytes]) as Buffer)).toEqual([Buffer.from('ä'), bytes]);
});
