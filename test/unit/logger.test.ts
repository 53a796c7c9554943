import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { LogFormat, LogLevel } from '../../shared/config/config.ts';
import { formatLogfmt } from '../../shared/logfmt.ts';
import { createLogger } from '../../shared/logger.ts';
import { stopwatch } from '../support/process/machine-load.ts';

function capture(format: LogFormat, level: LogLevel = 'debug') {
  const lines: string[] = [];
  return { lines, logger: createLogger({ level, format }, { write: (line) => void lines.push(line) }) };
}

/** The line without its time. */
function logged(fields: object, message?: string): string {
  const { lines, logger } = capture('logfmt');
  logger.info(fields, message);
  return (lines[0] ?? '').replace(/^ts=\S+ level=info ?/, '');
}

test('a line of logfmt', () => {
  const { lines, logger } = capture('logfmt');
  logger.child({ shard: 3 }).warn({ group: 'a/b' }, 'cannot merge');
  expect(lines).toEqual([
    expect.stringMatching(
      /^ts=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z level=warn msg="cannot merge" shard=3 group=a\/b\n$/,
    ),
  ]);
});

test.each<[unknown, string]>([
  ['plain', 'plain'],
  ['für', 'für'],
  ['', '""'],
  ['two words', '"two words"'],
  ['a=b', '"a=b"'],
  ['say "x"', String.raw`"say \"x\""`],
  ['back\\slash', String.raw`"back\\slash"`],
  ['a\nlevel=error', String.raw`"a\nlevel=error"`],
  ['\u001b[31m', String.raw`"\u001b[31m"`],
  ['\u0085\u2028\u202e\u007f', String.raw`"\u0085\u2028\u202e\u007f"`],
  ['\ud800', String.raw`"\ud800"`],
  [1.5, '1.5'],
  [true, 'true'],
  [null, 'null'],
  [[1, 'a b'], String.raw`"[1,\"a b\"]"`],
])('%j is written %s', (value, text) => {
  expect(logged({ key: value })).toBe(`key=${text}\n`);
});

test('a bigint is written as a number', () => {
  expect(logged({ key: 12n })).toBe('key=12\n');
});

test.each<[object, string]>([
  [{ a: { b: { c: 1 }, d: 'x y' } }, 'a.b.c=1 a.d="x y"\n'],
  [{ a: undefined, b: 1 }, 'b=1\n'],
  [{ 'k e\ny="': 1 }, 'k_e_y__=1\n'],
  [{ level: 'error', ts: '0' }, 'field_ts=0 field_level=error\n'],
])('%j is written %s', (fields, line) => {
  expect(logged(fields)).toBe(line);
});

describe('errors', () => {
  test('are logged with their causes and the first code', () => {
    const cause = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });
    const err = new Error('cannot append', { cause });
    expect(logged({ err }, 'failed')).toBe('msg="failed" err="cannot append: refused" err_code=ECONNREFUSED\n');
  });

  test('without a code are logged with the stack, on the same line', () => {
    const line = logged({ err: new Error('boom') });
    expect(line).toMatch(/err="boom" err_stack="Error: boom\\n {4}at .*"\n$/);
    expect(line.split('\n')).toHaveLength(2);
  });

  test('are logged without the properties that ioredis adds', () => {
    const err = Object.assign(new Error('WRONGPASS'), { command: { name: 'auth', args: ['hunter2'] } });
    for (const format of ['logfmt', 'json'] as const) {
      const { lines, logger } = capture(format);
      logger.error({ err }, 'x');
      logger.error(err);
      expect(lines.join('')).not.toContain('hunter2');
    }
  });

  test('may be values other than Errors, or their own cause', () => {
    expect(logged({ err: 'text' })).toBe('err=text\n');
    const err: Error & { cause?: unknown } = new Error('round');
    err.cause = err;
    expect(logged({ err })).toContain('err="round: round');
  });
});

test('JSON has the time, the level as a word, and the message', () => {
  const { lines, logger } = capture('json');
  logger.error({ a: { b: 1 } }, 'failed');
  expect(JSON.parse(lines[0] ?? '')).toEqual({
    ts: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    level: 'error',
    msg: 'failed',
    a: { b: 1 },
  });
});

test('nothing below the level is written', () => {
  const { lines, logger } = capture('logfmt', 'warn');
  logger.info('x');
  logger.warn('y');
  expect(lines).toHaveLength(1);
});

describe('secrets', () => {
  test.each([
    { password: 'hunter2' },
    { Authorization: 'Bearer hunter2' },
    { req: { headers: { authorization: 'hunter2', 'proxy-authorization': 'hunter2', cookie: 'hunter2' } } },
    { redis: { password: 'hunter2', sentinelPassword: 'hunter2' } },
    { a: { b: { c: { d: { e: { f: { password: 'hunter2' } } } } } } },
    { clientSecret: 'hunter2', api_key: 'hunter2', accessToken: 'hunter2' },
  ])('%j', (fields) => {
    for (const format of ['logfmt', 'json'] as const) {
      const { lines, logger } = capture(format);
      logger.info(fields, 'x');
      logger.child(fields).info('x');
      expect(lines).toHaveLength(2);
      expect(lines.join('')).not.toContain('hunter2');
    }
    expect(JSON.stringify(fields)).toContain('hunter2');
  });
});

test('no logged value can forge a line or a pair', () => {
  const pairs = /^(?:[\w.@/-]+=(?:"(?:[^"\\\p{Cc}]|\\["\\bfnrt]|\\u[\da-f]{4})*"|[^\s"=\\\p{Cc}]+) ?)+\n$/u;
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string({ unit: fc.constantFrom('"', '\\', '\n', '=', ' ', 'a', '\u2028') }),
  );
  fc.assert(
    fc.property(text, text, text, (key, value, message) => {
      const line = formatLogfmt(JSON.stringify({ ts: 't', level: 'info', msg: message, [`x${key}`]: value }));
      expect(line).toMatch(pairs);
      const quoted = / x[\w.@/-]*=(.*)\n$/su.exec(line)?.[1] ?? '';
      expect(quoted.startsWith('"') ? JSON.parse(quoted) : quoted).toBe(value);
    }),
  );
});

test('formatting takes time proportional to the length of the text', () => {
  const took = stopwatch();
  formatLogfmt(JSON.stringify({ url: `/metrics/job/${'a'.repeat(100_000)}=` }));
  expect(took()).toBeLessThan(1_000);
});

test('a line that is not JSON is still written', () => {
  expect(formatLogfmt('odd\nline')).toBe('ts="" level="" msg="odd\\nline"\n');
});
