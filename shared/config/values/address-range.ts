/** Ranges of client addresses, from text: `10.0.0.0/8`, `fd00::/8`, one address, or `unix` for Unix sockets. */
import { isIP, isIPv4, SocketAddress } from 'node:net';

/** All clients of Unix sockets, which have no address. */
export const UNIX_CLIENT = 'unix';

export interface AddressRange {
  readonly network: string;
  readonly prefixBits: number;
  readonly family: 'ipv4' | 'ipv6';
}

/** Undefined if the text is neither an address nor a range in CIDR notation. */
export function parseRange(text: string): AddressRange | undefined {
  const [, address = '', bits] = /^([\da-f.:]+)(?:\/(\d{1,3}))?$/i.exec(text) ?? [];
  if (isIP(address) === 0) return undefined;
  const family = isIPv4(address) ? 'ipv4' : 'ipv6';
  const allBits = family === 'ipv4' ? 32 : 128;
  const prefixBits = bits === undefined ? allBits : Number(bits);
  if (prefixBits > allBits) return undefined;
  return { network: new SocketAddress({ address, family }).address, prefixBits, family };
}
