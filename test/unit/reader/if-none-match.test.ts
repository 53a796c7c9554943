import { expect, test } from 'vitest';
import { matchesTag } from '../../../services/reader/scrape/if-none-match.ts';

test.for<[header: string | undefined, known: boolean]>([
  [undefined, false],
  ['', false],
  ['"a"', true],
  ['W/"a"', true],
  ['"b"', false],
  ['"A"', false],
  ['"b", "a"', true],
  ['W/"b",W/"a" , "c"', true],
  [', "a",,', true],
  ['"b", "aa", "a "', false],
  ['"b,"a"', false],
  ['a', false],
  ['"a', false],
  ['*', true],
  [' * ', true],
  ['"*"', false],
  ['"b,c", "a"', true],
])('%s: %s', ([header, known]) => {
  expect(matchesTag(header, '"a"')).toBe(known);
});

test('a comma in a tag is part of it', () => {
  expect(matchesTag('"x", W/"a,b"', '"a,b"')).toBe(true);
  expect(matchesTag('"a", "b"', '"a,b"')).toBe(false);
});

test('a list that takes long to read counts as missing', () => {
  const list = (bytes: number): string => `"a"${', "b"'.repeat((bytes - 3) / 5)}`;
  expect(matchesTag(list(4_000), '"a"')).toBe(true);
  expect(matchesTag(list(5_000), '"a"')).toBe(false);
});
