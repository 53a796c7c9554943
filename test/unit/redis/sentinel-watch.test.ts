import { expect, test } from 'vitest';
import { isConnectedTo } from '../../../shared/redis/connection/sentinel-watch.ts';

test.for<[address: string | undefined, port: number, host: string, expected: boolean]>([
  ['127.0.0.1', 6379, '127.0.0.1', true],
  ['::ffff:127.0.0.1', 6379, '127.0.0.1', true],
  ['127.0.0.1', 6380, '127.0.0.1', false],
  ['10.0.0.2', 6379, '10.0.0.1', false],
  // A name that is looked up elsewhere.
  ['10.0.0.2', 6379, 'redis-1', true],
  ['10.0.0.2', 6380, 'redis-1', false],
  // Not connected, so nothing to leave.
  [undefined, 6379, '127.0.0.1', true],
])('%s:%i is %s: %s', ([remoteAddress, remotePort, host, expected]) => {
  expect(isConnectedTo({ remoteAddress, remotePort }, { host, port: 6379 })).toBe(expected);
});
