import { expect, test } from 'vitest';
import { negotiateEncoding, negotiateFormat } from '../../../services/reader/scrape/negotiate.ts';

// What is negotiated is compared with the official gateway in test/differential/scrape.test.ts.

test('headers that take long to parse count as missing', () => {
  const long = ', text/html;q=0.1'.repeat(500);
  expect(negotiateFormat('application/openmetrics-text', true).format).toBe('openmetrics');
  expect(negotiateFormat(`application/openmetrics-text${long}`, true)).toEqual(negotiateFormat(undefined, true));
  expect(negotiateEncoding('gzip', ['gzip'])).toBe('gzip');
  expect(negotiateEncoding(`gzip${', br;q=0.1'.repeat(500)}`, ['gzip'])).toBe('identity');
});
