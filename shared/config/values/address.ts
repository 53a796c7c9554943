/**
 * Addresses in both directions: where we listen, and where Redis does.
 *
 *   listen   = host:port | :port | [ipv6]:port | unix:/path
 *   endpoint = listen | host | [ipv6] | /path | redis[s]://[user[:password]@]host[:port][/db]
 */
import { GatewayError } from '../../errors.ts';
import type { ListenAddress, RedisEndpoint, TcpAddress } from '../config.ts';

const defaultRedisPort = 6379;

export const listenHint = 'host:port, :9091, [::1]:9091 or unix:/path, several separated by commas';
export const endpointHint =
  'host:port, :6379, [::1]:6379, unix:/path or redis://user:password@host:6379/0, several separated by commas';

/** What a list of endpoints says; the last four come from `redis://` URLs. */
export interface ParsedEndpoints {
  readonly endpoints: readonly RedisEndpoint[];
  readonly username: string;
  readonly password: string;
  readonly db: number | undefined;
  readonly tls: boolean;
}

/** Throws GatewayError `config_invalid` with what was expected; it never quotes the text. */
export function parseListen(text: string): readonly ListenAddress[] {
  if (text === '') return [];
  const addresses = text.split(',').map((item) => parseOneListen(item.trim()));
  if (new Set(addresses.map(formatAddress)).size < addresses.length) refuse('each address only once');
  return addresses;
}

function parseOneListen(text: string): ListenAddress {
  return parseUnix(text) ?? parseTcp(text) ?? refuse(listenHint);
}

/** Throws GatewayError `config_invalid` with what was expected; it never quotes the text. */
export function parseEndpoints(text: string): ParsedEndpoints {
  const items = text.split(',').map((item) => parseOneEndpoint(item.trim()));
  return {
    endpoints: items.map((item) => item.endpoint),
    username: agreed('user', items, (item) => item.username) ?? '',
    password: agreed('password', items, (item) => item.password) ?? '',
    db: agreed('db', items, (item) => item.db),
    tls: agreed('scheme (redis or rediss)', items, (item) => item.tls) ?? false,
  };
}

interface ParsedEndpoint {
  readonly endpoint: RedisEndpoint;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly db?: number | undefined;
  readonly tls?: boolean;
}

function parseOneEndpoint(text: string): ParsedEndpoint {
  if (/^[a-z][a-z\d+.-]*:\/\//i.test(text)) return parseRedisUrl(text);
  if (text.startsWith('/')) return { endpoint: { kind: 'unix', path: text } };
  const endpoint = parseUnix(text) ?? parseTcp(text, 'localhost', defaultRedisPort);
  // Nothing can be reached at port 0.
  if (endpoint === undefined || (endpoint.kind === 'tcp' && endpoint.port === 0)) return refuse(endpointHint);
  return { endpoint };
}

function parseRedisUrl(text: string): ParsedEndpoint {
  const url = URL.canParse(text) ? new URL(text) : refuse(endpointHint);
  const db = /^\/?(\d{1,9})?$/.exec(url.pathname);
  if (!/^rediss?:$/.test(url.protocol) || db === null || url.search !== '' || url.hash !== '') refuse(endpointHint);
  const host = unescape(url.hostname.replace(/^\[(.*)\]$/, '$1')) || 'localhost';
  const port = Number(url.port || defaultRedisPort);
  if (port === 0 || !validHost(host)) refuse(endpointHint);
  return {
    endpoint: { kind: 'tcp', host, port },
    username: unescape(url.username) || undefined,
    password: unescape(url.password) || undefined,
    db: db[1] === undefined ? undefined : Number(db[1]),
    tls: url.protocol === 'rediss:',
  };
}

function unescape(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return refuse('percent signs in a redis:// URL to be written as %25');
  }
}

/** All endpoints are reached with the same credentials, so those that name any must agree. */
function agreed<T>(what: string, items: readonly ParsedEndpoint[], get: (item: ParsedEndpoint) => T): T | undefined {
  const [first, ...others] = new Set(items.map(get).filter((value) => value !== undefined));
  if (others.length > 0) refuse(`the same ${what} in every redis:// URL`);
  return first;
}

function parseUnix(text: string): RedisEndpoint | undefined {
  const path = /^unix:(?:\/\/)?(\/.+)$/.exec(text)?.[1];
  return path === undefined ? undefined : { kind: 'unix', path };
}

/** With a default port, both host and port may be left out, though not both. */
function parseTcp(text: string, defaultHost = '', defaultPort?: number): TcpAddress | undefined {
  const shape = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d{1,5}))?$/.exec(text);
  if (shape === null || text === '') return undefined;
  const bracketed = shape[1];
  if (bracketed !== undefined && !bracketed.includes(':')) return undefined;
  const host = bracketed ?? (shape[2] || defaultHost);
  const port = shape[3] === undefined ? defaultPort : Number(shape[3]);
  if (port === undefined || port > 65535 || (host !== '' && !validHost(host))) return undefined;
  return { kind: 'tcp', host, port };
}

function validHost(host: string): boolean {
  return host.includes(':') ? /^[\da-f:.]+(?:%[\w.-]+)?$/i.test(host) : /^[\w.-]+$/.test(host);
}

export function formatAddress(address: ListenAddress | RedisEndpoint): string {
  if (address.kind === 'unix') return `unix:${address.path}`;
  return `${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`;
}

function refuse(expected: string): never {
  throw new GatewayError('config_invalid', `expected ${expected}`);
}
