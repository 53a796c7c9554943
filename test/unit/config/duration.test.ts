import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { duration } from '../../../shared/config/settings/kinds.ts';
import { formatDuration, readDuration } from '../../../shared/config/values/duration.ts';

// Cases of https://cs.opensource.google/go/go/+/master:src/time/time_test.go that fit, and more.
test.each<[string, number]>([
  ['0', 0],
  ['-0', 0],
  ['5s', 5_000],
  ['30s', 30_000],
  ['1478s', 1_478_000],
  ['-5s', -5_000],
  ['+5s', 5_000],
  ['5.0s', 5_000],
  ['5.6s', 5_600],
  ['5.s', 5_000],
  ['.5s', 500],
  ['1.004s', 1_004],
  ['1.00400s', 1_004],
  ['100.00100s', 100_001],
  ['10ns', 0.00001],
  ['11us', 0.011],
  ['12\u00b5s', 0.012],
  ['12\u03bcs', 0.012],
  ['13ms', 13],
  ['14s', 14_000],
  ['15m', 900_000],
  ['16h', 57_600_000],
  ['3h30m', 12_600_000],
  ['10.5s4m', 250_500],
  ['-2m3.4s', -123_400],
  ['1h2m3s4ms5us6ns', 3_723_004.005006],
  ['39h9m14.425s', 140_954_425],
  ['1.5h', 5_400_000],
  ['168h', 604_800_000],
  ['0.3333333333333333333h', 1_200_000 - 0.000001],
  ['0.1ms', 0.1],
  ['2562047h47m16.854775807s', 9_223_372_036_854.775],
])('%s is %d ms', (text, ms) => {
  expect(readDuration(text)).toBe(ms);
});

test.each([
  '',
  '3',
  '-',
  's',
  '.',
  '-.',
  '.s',
  '+.s',
  '1d',
  '1w',
  '5 s',
  ' 5s',
  '5s ',
  '5S',
  '5s5',
  '--5s',
  '1e3s',
  '0x1s',
  '1,5s',
  '٣s',
  'NaN',
  'Infinity',
  '3000000h',
  '5s\n',
  '1s'.repeat(51),
  `0.${'1'.repeat(100)}s`,
])('%j is not a duration', (text) => {
  expect(readDuration(text)).toBeUndefined();
  expect(() => duration.parse(text)).toThrow(/^expected a duration such as /);
});

test.each<[number, string]>([
  [0, '0s'],
  [0.000001, '1ns'],
  [0.0011, '1.1\u00b5s'],
  [2.2, '2.2ms'],
  [250, '250ms'],
  [3_300, '3.3s'],
  [300_000, '5m0s'],
  [245_000, '4m5s'],
  [245_001, '4m5.001s'],
  [5_400_000, '1h30m0s'],
  [18_367_001, '5h6m7.001s'],
  [604_800_000, '168h0m0s'],
  [-1_500, '-1.5s'],
])('%d ms is shown as %s', (ms, text) => {
  expect(formatDuration(ms)).toBe(text);
});

describe('for any duration', () => {
  // Above 2^51 ns (26 days) a double of milliseconds is no longer exact to the nanosecond.
  const nanoseconds = fc.integer({ min: -(2 ** 51), max: 2 ** 51 });

  test('its text reads back as the same duration', () => {
    fc.assert(
      fc.property(nanoseconds, (ns) => {
        const ms = ns / 1e6;
        expect(readDuration(formatDuration(ms)) === ms || ns === 0).toBe(true);
      }),
    );
  });

  test('whole milliseconds of any size read back exactly', () => {
    fc.assert(
      fc.property(fc.integer({ min: -9e12, max: 9e12 }), (ms) => {
        expect(readDuration(formatDuration(ms))).toBe(ms === 0 ? 0 : ms);
      }),
    );
  });

  test('the terms add up, in any order', () => {
    const unit = fc.constantFrom(
      ['ms', 1] as const,
      ['s', 1_000] as const,
      ['m', 60_000] as const,
      ['h', 3_600_000] as const,
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(999), unit), { minLength: 1, maxLength: 8 }), (parts) => {
        const text = parts.map(([count, [name]]) => `${count}${name}`).join('');
        expect(readDuration(text)).toBe(parts.reduce((sum, [count, [, scale]]) => sum + count * scale, 0));
      }),
    );
  });

  test('no text makes it throw or return NaN', () => {
    const text = fc.oneof(fc.string(), fc.stringMatching(/^[-+]?[\d.]{0,5}(ns|us|ms|s|m|h|d)?[\d.]{0,3}[smh]?$/));
    fc.assert(
      fc.property(text, (any) => {
        expect(readDuration(any)).not.toBeNaN();
      }),
    );
  });
});
