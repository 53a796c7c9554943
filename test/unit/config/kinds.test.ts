import { describe, expect, test } from 'vitest';
import { formatAddress, parseEndpoints, parseListen } from '../../../shared/config/values/address.ts';
import { formatBytes, readBytes } from '../../../shared/config/values/bytes.ts';
import type { Kind } from '../../../shared/config/settings/kinds.ts';
import {
  addressRanges,
  externalUrl,
  flag,
  integer,
  routePrefix,
  urlPath,
} from '../../../shared/config/settings/kinds.ts';
import { didYouMean } from '../../../shared/config/read/did-you-mean.ts';
import { quoteRedacted } from '../../../shared/config/values/redact.ts';

const tcp = (host: string, port: number) => ({ kind: 'tcp' as const, host, port });
const unix = (path: string) => ({ kind: 'unix' as const, path });

describe('sizes', () => {
  test.each<[string, number | undefined]>([
    ['0', 0],
    ['1048576', 1_048_576],
    ['1B', 1],
    ['64KiB', 65_536],
    ['64kib', 65_536],
    ['16 MiB', 16_777_216],
    ['1.5GiB', 1_610_612_736],
    ['1KB', 1_000],
    ['2MB', 2_000_000],
    ['1GB', 1_000_000_000],
    ['', undefined],
    ['MiB', undefined],
    ['-1', undefined],
    ['1e6', undefined],
    ['0.3', undefined],
    ['1TiB', undefined],
    ['16M', undefined],
    ['99999999999999GiB', undefined],
  ])('%j is %d', (text, bytes) => {
    expect(readBytes(text)).toBe(bytes);
  });

  test.each([
    [16_777_216, '16MiB'],
    [1_000, '1000'],
    [1_536, '1536'],
    [2_048, '2KiB'],
    [0, '0'],
  ])('%d is shown as %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });
});

describe('listen addresses', () => {
  test.each([
    ['', []],
    [':9091', [tcp('', 9091)]],
    ['localhost:0', [tcp('localhost', 0)]],
    ['[::1]:9091', [tcp('::1', 9091)]],
    ['[fe80::1%eth0]:9091', [tcp('fe80::1%eth0', 9091)]],
    ['unix:/run/pgw.sock', [unix('/run/pgw.sock')]],
    [':1, 10.0.0.1:2', [tcp('', 1), tcp('10.0.0.1', 2)]],
  ])('%j', (text, addresses) => {
    expect(parseListen(text)).toEqual(addresses);
  });

  test.each([
    '9091',
    'localhost',
    ':http',
    ':65536',
    ':-1',
    '::1:9091',
    '[x]:1',
    '[::1]',
    'unix:relative',
    ':1,',
    'a b:1',
    ':1,:1',
  ])('%j is refused', (text) => {
    expect(() => parseListen(text)).toThrow(/^expected /);
  });
});

describe('Redis endpoints', () => {
  test.each([
    [':6379', [tcp('localhost', 6379)]],
    ['redis', [tcp('redis', 6379)]],
    ['redis:7000', [tcp('redis', 7000)]],
    ['[::1]:6380', [tcp('::1', 6380)]],
    ['[::1]', [tcp('::1', 6379)]],
    ['/run/redis.sock', [unix('/run/redis.sock')]],
    ['unix:/run/redis.sock', [unix('/run/redis.sock')]],
    ['a:1, b:2,c', [tcp('a', 1), tcp('b', 2), tcp('c', 6379)]],
    ['redis://h', [tcp('h', 6379)]],
    ['REDIS://h:1/', [tcp('h', 1)]],
    ['redis://[::1]:7/2', [tcp('::1', 7)]],
  ])('%j', (text, endpoints) => {
    expect(parseEndpoints(text).endpoints).toEqual(endpoints);
  });

  test('a URL sets credentials, database and TLS', () => {
    expect(parseEndpoints('rediss://us%40er:p%3A%2Fw@h:1/3')).toEqual({
      endpoints: [tcp('h', 1)],
      username: 'us@er',
      password: 'p:/w',
      db: 3,
      tls: true,
    });
    expect(parseEndpoints('h').db).toBeUndefined();
    expect(parseEndpoints('redis://:pw@a,b').password).toBe('pw');
  });

  test.each([
    '',
    ',',
    'a,',
    ':0',
    'h:99999',
    'h:x',
    'a b',
    'http://h',
    'redis://h/x',
    'redis://h/1/2',
    'redis://h?db=1',
    'redis://h:99999',
    'redis://:p%zz@h',
    'redis://:a@h,redis://:b@h',
    'redis://h,rediss://g',
    'redis://h/1,redis://g/2',
  ])('%j is refused, without being quoted', (text) => {
    expect(() => parseEndpoints(text)).toThrow(/^expected (?!.*p%zz)/);
  });

  test.each([':6379', '[::1]:1', 'unix:/x'])('%s is formatted as it is written', (text) => {
    expect(parseListen(text).map(formatAddress)).toEqual([text]);
  });
});

describe('kinds', () => {
  const cases: readonly [Kind<unknown>, string, unknown][] = [
    [flag, 'true', true],
    [flag, 'Yes', true],
    [flag, '1', true],
    [flag, 'off', false],
    [flag, '', undefined],
    [flag, '2', undefined],
    [integer(0, 65535), '0', 0],
    [integer(0, 65535), '65535', 65535],
    [integer(0, 65535), '65536', undefined],
    [integer(0, 65535), '0x10', undefined],
    [integer(1, 5), '0', undefined],
    [integer(1, 5), ' 1', undefined],
    [integer(1, 5), '1.5', undefined],
    [urlPath, '/metrics', '/metrics'],
    [urlPath, '/a/b-c_d.e/', '/a/b-c_d.e'],
    [urlPath, '/', '/'],
    [urlPath, 'metrics', undefined],
    [urlPath, '', undefined],
    [urlPath, '//a', undefined],
    [urlPath, '/a/../b', undefined],
    [urlPath, '/a/..', undefined],
    [urlPath, '/:job', undefined],
    [urlPath, '/a*', undefined],
    [urlPath, '/a?b', undefined],
    [urlPath, '/%2e', undefined],
    [routePrefix, '', ''],
    [routePrefix, '/', '/'],
    [routePrefix, 'pgw', '/pgw'],
    [routePrefix, '//pgw/x//', '/pgw/x'],
    [routePrefix, '/p w', undefined],
    [externalUrl, 'https://example.com/pgw/', 'https://example.com/pgw/'],
    [externalUrl, '/pgw', '/pgw'],
    [externalUrl, '', ''],
    [externalUrl, 'example.com', undefined],
    [externalUrl, 'ftp://example.com', undefined],
    [externalUrl, 'https://u:p@example.com', undefined],
  ];
  test.each(cases)('%# %j', (kind, text, value) => {
    if (value === undefined) expect(() => kind.parse(text)).toThrow(/^expected /);
    else expect(kind.parse(text)).toBe(value);
  });
});

describe('ranges of addresses', () => {
  test.each([
    ['', []],
    ['10.0.0.0/8', ['10.0.0.0/8']],
    ['192.0.2.1, fd00::/8,unix', ['192.0.2.1', 'fd00::/8', 'unix']],
    ['::ffff:10.0.0.0/104', ['::ffff:10.0.0.0/104']],
  ])('%j', (text, ranges) => {
    expect(addressRanges.parse(text)).toEqual(ranges);
  });

  test.each(['10.0.0.0/33', '10.0.0', 'fd00::/129', '10.0.0.0/', 'localhost', '10.0.0.0/8 fd00::/8', 'unix:/run'])(
    '%j is refused',
    (text) => {
      expect(() => addressRanges.parse(text)).toThrow('expected addresses such as 10.0.0.0/8');
    },
  );
});

test.each([
  ['--redis.enpoint', '--redis.endpoint'],
  ['--redis.password', '--redis.password'],
  ['--prot', '--port'],
  ['--zzzzzzzzzzzzzzz', undefined],
])('%s: did you mean %s?', (typed, meant) => {
  const known = ['--port', '--redis.endpoint', '--redis.password'];
  expect(didYouMean(typed, known, 'see --help')).toBe(meant === undefined ? 'see --help' : `did you mean ${meant}?`);
});

test.each([
  ['plain', '"plain"'],
  ['two\nlines', String.raw`"two\nlines"`],
  ['\u202etxt\u2028\u0085', String.raw`"\u202etxt\u2028\u0085"`],
  ['redis://u:p@h', '"redis://<secret>@h"'],
  ['redis://u:p@a,redis://u:q@h', '"redis://<secret>@h"'],
  ['redis://u:p@ss/w,o://rd@h', '"redis://<secret>@h"'],
  ['u:p@h', '"<secret>@h"'],
  ['redis://:forgothost', '"redis://<secret>"'],
  ['http://h', '"http://h"'],
  ['x'.repeat(200), `"${'x'.repeat(120)}…"`],
])('%j is quoted as %s', (text, quoted) => {
  expect(quoteRedacted(text)).toBe(quoted);
});
