/**
 * Who a client is, for every limit per client: its address, as text. An IPv6 client usually has a network of 64 bits to
 * itself, so such a network counts as one client. The peer of a connection is the client, unless it is a proxy of
 * --web.trusted-proxies, which names the client in `X-Forwarded-For`.
 */
import { BlockList, isIP, isIPv4, SocketAddress } from 'node:net';
import { parseRange, UNIX_CLIENT } from '../../config/values/address-range.ts';

/** The peer of a TCP connection that has ended before it was asked for. */
const GONE = 'gone';

/** A socket, or as much of one as HTTP/2 shows. */
interface Peer {
  readonly remoteAddress?: string | undefined;
  readonly destroyed: boolean;
}

interface Request {
  readonly socket: Peer;
  readonly headers: Readonly<Partial<Record<string, string | string[]>>>;
}

/** Clients of requests that came through a trusted proxy. */
const forwarded = new WeakMap<object, string>();

/**
 * The client of a request of Node.js (`request.raw` in a route): `192.0.2.1`, `2001:db8:0:1::/64`, or `unix`. Ask early,
 * while the connection is open.
 */
export function clientKey(request: Request): string {
  return forwarded.get(request) ?? peerKey(request.socket);
}

/** The peer of a connection; all that is known before the first request. */
export function peerKey({ remoteAddress, destroyed }: Peer): string {
  if (remoteAddress === undefined) return destroyed ? GONE : UNIX_CLIENT;
  return addressKey(remoteAddress);
}

/** `::ffff:192.0.2.1`, an IPv4 client of an IPv6 socket, has the key of 192.0.2.1. */
function addressKey(address: string): string {
  if (!address.includes(':')) return address;
  const mapped = /^::ffff:([\d.]+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  // Without the zone of a link-local address (`%eth0`).
  const [head = '', tail] = address.replace(/%.*$/, '').split('::');
  const groups = groupsOf(head);
  if (tail !== undefined) while (groups.length + groupsOf(tail).length < 8) groups.push('0');
  return `${groups.slice(0, 4).join(':')}::/64`;
}

function groupsOf(text: string): string[] {
  return text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16).toString(16));
}

/** The proxies of --web.trusted-proxies. */
export class TrustedProxies {
  readonly #ranges = new BlockList();
  readonly #trustsUnix: boolean;
  readonly #isEmpty: boolean;

  /** Valid ranges, or `unix`. */
  constructor(ranges: readonly string[]) {
    this.#isEmpty = ranges.length === 0;
    this.#trustsUnix = ranges.includes(UNIX_CLIENT);
    for (const text of ranges) {
      const range = parseRange(text);
      if (range !== undefined) this.#ranges.addSubnet(range.network, range.prefixBits, range.family);
    }
  }

  /**
   * Notes the client that trusted proxies name, for clientKey(). Each proxy adds the peer that it saw at the end of
   * the list, so the client is the last address that is not a trusted proxy; what precedes it, the client may have
   * written itself.
   */
  identify(request: Request): void {
    if (this.#isEmpty || !this.trusts(request.socket)) return;
    const hops = [request.headers['x-forwarded-for'] ?? []].flat().join(',').split(',').toReversed();
    let client: string | undefined;
    for (const hop of hops) {
      const address = addressIn(hop);
      if (address === undefined) break;
      client = address;
      if (!this.#includes(address)) break;
    }
    if (client !== undefined) forwarded.set(request, addressKey(client));
  }

  trusts({ remoteAddress, destroyed }: Peer): boolean {
    if (remoteAddress === undefined) return this.#trustsUnix && !destroyed;
    return this.#includes(remoteAddress);
  }

  #includes(address: string): boolean {
    const plain = address.replace(/%.*$/, '');
    return this.#ranges.check(plain, isIPv4(plain) ? 'ipv4' : 'ipv6');
  }
}

/** Some proxies add a port: `192.0.2.1:1234`, `[2001:db8::1]:1234`. */
function addressIn(hop: string): string | undefined {
  const [, bracketed, plain] = /^\s*(?:\[([^\]]*)\](?::\d+)?|([\d.]+)(?::\d+)?)\s*$/.exec(hop) ?? [];
  const address = bracketed ?? plain ?? hop.trim();
  if (isIP(address) === 0) return undefined;
  return new SocketAddress({ address, family: isIPv4(address) ? 'ipv4' : 'ipv6' }).address;
}
