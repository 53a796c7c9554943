/**
 * Addresses to listen on, and endpoints of Redis, from text and back.
 *
 *   listen   = host:port | :port | [ipv6]:port | unix:/path
 *   endpoint = listen | host | [ipv6] | /path | redis[s]://[user[:password]@]host[:port][/db]
 */
import { GatewayError } from '../../errors.ts';
import type { ListenAddress, RedisEndpoint, TcpAddress } from '../config.ts';

const DEFAULT_REDIS_PORT = 6379;

const LISTEN_HINT = 'host:port, :9091, [::1]:9091 or unix:/path, several separated by commas';
const ENDPOINT_HINT =
  'host:port, :6379, [::1]:6379, unix:/path or redis://user:password@host:6379/0, several separated by commas';

/** A list of endpoints; the last four members come from `redis://` URLs. */
interface ParsedEndpoints {
  readonly endpoints: readonly RedisEndpoint[];
  readonly username: string;
  readonly password: string;
  readonly db: number | undefined;
  readonly tls: boolean;
}

/** Throws GatewayError `config_invalid` with "expected …". It never quotes the text, which may hold a password. */
export function parseListen(text: string): readonly ListenAddress[] {
  if (text === '') return [];
  const addresses = text.split(',').map((item) => parseOneListen(item.trim()));
  if (new Set(addresses.map(formatAddress)).size < addresses.length) refuse('each address only once');
  return addresses;
}

function parseOneListen(text: string): ListenAddress {
  return parseUnix(text) ?? parseTcp(text) ?? refuse(LISTEN_HINT);
}

/** Throws GatewayError `config_invalid` with "expected …". It never quotes the text, which may hold a password. */
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
  const endpoint = parseUnix(text) ?? parseTcp(text, 'localhost', DEFAULT_REDIS_PORT);
  // Nothing listens on port 0.
  if (endpoint === undefined || (endpoint.kind === 'tcp' && endpoint.port === 0)) return refuse(ENDPOINT_HINT);
  return { endpoint };
}

function parseRedisUrl(text: string): ParsedEndpoint {
  const url = URL.canParse(text) ? new URL(text) : refuse(ENDPOINT_HINT);
  const db = /^\/?(\d{1,9})?$/.exec(url.pathname);
  if (!/^rediss?:$/.test(url.protocol) || db === null || url.search !== '' || url.hash !== '') refuse(ENDPOINT_HINT);
  const host = unescape(url.hostname.replace(/^\[(.*)\]$/, '$1')) || 'localhost';
  const port = Number(url.port || DEFAULT_REDIS_PORT);
  if (port === 0 || !validHost(host)) refuse(ENDPOINT_HINT);
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

/** All endpoints are reached with the same credentials, so all that are given must agree. */
function agreed<T>(what: string, items: readonly ParsedEndpoint[], get: (item: ParsedEndpoint) => T): T | undefined {
  const [first, ...others] = new Set(items.map(get).filter((value) => value !== undefined));
  if (others.length > 0) refuse(`the same ${what} in every redis:// URL`);
  return first;
}

function parseUnix(text: string): RedisEndpoint | undefined {
  const path = /^unix:(?:\/\/)?(\/.+)$/.exec(text)?.[1];
  return path === undefined ? undefined : { kind: 'unix', path };
}

/** With a default port, either the host or the port may be left out. */
function parseTcp(text: string, defaultHost = '', defaultPort?: number): TcpAddress | undefined {
  const match = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d{1,5}))?$/.exec(text);
  if (match === null || text === '') return undefined;
  const bracketed = match[1];
  if (bracketed !== undefined && !bracketed.includes(':')) return undefined;
  const host = bracketed ?? (match[2] || defaultHost);
  const port = match[3] === undefined ? defaultPort : Number(match[3]);
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
