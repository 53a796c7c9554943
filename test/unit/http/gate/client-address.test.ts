import { describe, expect, test } from 'vitest';
import { clientKey, peerKey, TrustedProxies } from '../../../../shared/http/gate/client-address.ts';

const from = (remoteAddress: string | undefined, destroyed = false) => ({ remoteAddress, destroyed });

describe('the key of a peer', () => {
  test.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::1', '0:0:0:0::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['2001:db8:0:0:ffff::1', '2001:db8:0:0::/64'],
    ['2001:db8:0:1::1', '2001:db8:0:1::/64'],
    ['2001:DB8:00:1:2:3:4:5', '2001:db8:0:1::/64'],
    ['2001:db8:1:2:3::', '2001:db8:1:2::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    [undefined, 'unix'],
  ])('%s: %s', (address, key) => {
    expect(peerKey(from(address))).toBe(key);
    expect(clientKey({ socket: from(address), headers: {} })).toBe(key);
  });

  test('a closed connection is not taken for a Unix socket', () => {
    expect(peerKey(from(undefined, true))).toBe('gone');
  });
});

describe('behind proxies', () => {
  const ranges = ['10.0.0.0/8', 'fd00::/8', '192.0.2.9', 'unix'];

  test.each<[string, string | undefined, string | string[] | undefined, string]>([
    ['an untrusted peer is not believed', '192.0.2.1', '198.51.100.7', '192.0.2.1'],
    ['one proxy', '10.1.2.3', '198.51.100.7', '198.51.100.7'],
    ['an IPv4 proxy of an IPv6 socket', '::ffff:10.1.2.3', '198.51.100.7', '198.51.100.7'],
    ['an IPv6 proxy', 'fd12::1', '2001:db8::7', '2001:db8:0:0::/64'],
    ['a single address', '192.0.2.9', '198.51.100.7', '198.51.100.7'],
    ['a Unix socket', undefined, '198.51.100.7', '198.51.100.7'],
    ['two proxies', '10.1.2.3', '198.51.100.7, 10.9.9.9', '198.51.100.7'],
    ['several headers', '10.1.2.3', ['198.51.100.7', '10.9.9.9'], '198.51.100.7'],
    ['a header forged by the client', '10.1.2.3', '203.0.113.1, 198.51.100.7', '198.51.100.7'],
    ['an invalid value from the client', '10.1.2.3', 'x, 198.51.100.7', '198.51.100.7'],
    ['an invalid value from the proxy', '10.1.2.3', 'unknown', '10.1.2.3'],
    ['only proxies', '10.1.2.3', '10.7.7.7, 10.8.8.8', '10.7.7.7'],
    ['a port', '10.1.2.3', '198.51.100.7:1234', '198.51.100.7'],
    ['a port of IPv6', '10.1.2.3', '[2001:db8::7]:1234', '2001:db8:0:0::/64'],
    ['IPv4 written as IPv6', '10.1.2.3', '::FFFF:c633:6407', '198.51.100.7'],
    ['no header', '10.1.2.3', undefined, '10.1.2.3'],
    ['an empty header', '10.1.2.3', '', '10.1.2.3'],
  ])('%s', (_, peer, header, key) => {
    const request = { socket: from(peer), headers: { 'x-forwarded-for': header } };
    new TrustedProxies(ranges).identify(request);
    expect(clientKey(request)).toBe(key);
  });

  test('by default no proxy is trusted', () => {
    const request = { socket: from('127.0.0.1'), headers: { 'x-forwarded-for': '198.51.100.7' } };
    new TrustedProxies([]).identify(request);
    expect(clientKey(request)).toBe('127.0.0.1');
  });
});
