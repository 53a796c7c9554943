/**
 * Requests of HTTP/1.1 whose answers can be recognised. An answer has a tag if the request was a redirect (`Location`
 * repeats the path) or a push to an invalid path (the error quotes it).
 *
 * `valid`: has to be answered as expected. `tolerated`: as expected, or with an error. `malformed`: with an error, or
 * not at all; what follows on the connection may be answered or not. A tag that begins with `s` is hidden in the
 * content of another request: to answer it is request smuggling.
 */
import type { Random } from './random.ts';

export interface Part {
  readonly kind: 'valid' | 'tolerated' | 'malformed';
  readonly what: string;
  readonly bytes: string;
  /** Expected of an answer that is no error. */
  readonly status: number;
  /** Occurs in the answer; undefined: the answer has no tag. */
  readonly tag?: string;
  readonly isHead?: boolean;
  /** nginx passes it on as it arrives, and closes the connection if it is answered before it has arrived. */
  readonly isEarly?: boolean;
  /** Is stored if it is answered 202. */
  readonly pushed?: string;
}

export const TAG = /\b[ts][0-9a-z]+x\d+z/g;

const HOST = 'Host: fuzz\r\n';
const BODY = 'fuzz_value 1\n';
const smuggled = (tag: string): string => `GET //fuzz/${tag} HTTP/1.1\r\nHost: smuggled\r\n\r\n`;

/** A valid request. `n` is unique in the conversation. */
export function validPart(random: Random, id: string, n: number): Part {
  const tag = `t${id}x${n}z`;
  const odd = `/metrics/job/x/${tag}`;
  const hidden = smuggled(`s${id}x${n}z`);
  const make: (() => Omit<Part, 'kind'>)[] = [
    () => ({ what: 'redirect', bytes: `GET //fuzz/${tag} HTTP/1.1\r\n${HOST}\r\n`, status: 301, tag }),
    () => ({ what: 'HEAD', bytes: `HEAD //fuzz/${tag} HTTP/1.1\r\n${HOST}\r\n`, status: 301, tag, isHead: true }),
    () => ({ what: 'length', bytes: withLength('PUT', odd, BODY), status: 400, tag }),
    () => ({ what: 'hidden in a body', bytes: withLength('POST', odd, hidden), status: 400, tag }),
    () => ({
      what: 'hidden in the body of a redirect',
      bytes: withLength('GET', `//fuzz/${tag}`, hidden),
      status: 301,
      tag,
    }),
    () => ({
      what: 'hidden in the body of nothing',
      bytes: withLength('PATCH', `//fuzz/${tag}`, hidden),
      status: 0,
      tag,
    }),
    () => ({
      what: 'hidden in chunks',
      bytes: withChunks(random, 'PUT', odd, hidden),
      status: 400,
      tag,
      isEarly: true,
    }),
    () => ({ what: 'chunks', bytes: withChunks(random, 'PUT', odd, BODY), status: 400, tag, isEarly: true }),
    () => ({ what: 'push', bytes: withLength('PUT', `/metrics/job/fuzz/tag/${tag}`, BODY), status: 202, pushed: tag }),
    () => ({
      what: 'push in chunks',
      bytes: withChunks(random, 'POST', `/metrics/job/fuzz/tag/${tag}`, BODY),
      status: 202,
      pushed: tag,
    }),
    () => ({ what: 'DELETE', bytes: `DELETE /metrics/job/none/tag/${tag} HTTP/1.1\r\n${HOST}\r\n`, status: 202 }),
    () => ({ what: 'healthy', bytes: `GET /-/healthy HTTP/1.1\r\n${HOST}\r\n`, status: 200 }),
    () => ({
      what: 'hidden in a header',
      bytes: `GET //fuzz/${tag} HTTP/1.1\r\n${HOST}X: ${smuggled(`s${id}x${n}z`).replaceAll('\r\n', ' ')}\r\n\r\n`,
      status: 301,
      tag,
    }),
    () => ({
      what: 'many headers',
      bytes: `GET //fuzz/${tag} HTTP/1.1\r\n${HOST}${'A: b\r\n'.repeat(60)}\r\n`,
      status: 301,
      tag,
    }),
  ];
  return { kind: 'valid', ...random.one(make)() };
}

export function withLength(method: string, path: string, body: string, more = ''): string {
  return `${method} ${path} HTTP/1.1\r\n${HOST}${more}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}

export function withChunks(random: Random, method: string, path: string, body: string): string {
  let chunks = '';
  for (let at = 0; at < body.length;) {
    const size = 1 + random.below(body.length - at);
    const extension = random.chance(0.2) ? ';name="value; x"' : '';
    const hex = random.chance(0.2) ? size.toString(16).padStart(8, '0').toUpperCase() : size.toString(16);
    chunks += `${hex}${extension}\r\n${body.slice(at, at + size)}\r\n`;
    at += size;
  }
  const trailer = random.chance(0.2) ? 'X-Trailer: t\r\n' : '';
  return `${method} ${path} HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n${chunks}0\r\n${trailer}\r\n`;
}

/** A request that servers may refuse, and those that they have to. */
export function oddPart(random: Random, id: string, n: number, isProxied: boolean): Part {
  const tag = `t${id}x${n}z`;
  const hidden = smuggled(`s${id}x${n}z`);
  // nginx takes a line feed for the end of a line, and passes the body on as it has read it. Then nothing is hidden.
  const hiddenByLf = isProxied ? smuggled(`u${id}x${n}z`) : hidden;
  // Where chunked is the last coding the end is known, whatever the content is: a request of its own follows.
  const separate = smuggled(`u${id}x${n}z`);
  const path = `//fuzz/${tag}`;
  const invalid = `/metrics/job/x/${tag}`;
  const get = (head: string, rest = ''): string => `GET ${path} HTTP/1.1\r\n${HOST}${head}\r\n${rest}`;
  const put = (head: string, rest: string): string => `PUT ${invalid} HTTP/1.1\r\n${HOST}${head}\r\n${rest}`;
  const chunked = `1\r\na\r\n0\r\n\r\n${hidden}`;
  const length = `Content-Length: ${hidden.length}\r\n`;
  const redirect = { status: 301, tag };
  const fault = { status: 400, tag };
  const options: readonly (readonly [
    kind: Part['kind'],
    what: string,
    bytes: string,
    expected: { status: number; tag: string },
  ])[] = [
    ['tolerated', 'bare LF', `GET ${path} HTTP/1.1\nHost: fuzz\n\n`, redirect],
    ['tolerated', 'empty lines before', `\r\n\r\n${get('')}`, redirect],
    ['tolerated', 'absolute form', `GET http://fuzz${path} HTTP/1.1\r\n${HOST}\r\n`, redirect],
    ['tolerated', 'same length twice', put(`Content-Length: 5\r\nContent-Length: 5\r\n`, 'a 1\n\n'), fault],
    [
      'tolerated',
      'upgrade to h2c',
      get('Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n'),
      redirect,
    ],
    [
      'tolerated',
      'upgrade to WebSocket',
      get('Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n'),
      redirect,
    ],
    ['tolerated', '100-continue', withLength('PUT', invalid, BODY, 'Expect: 100-continue\r\n'), fault],
    ['tolerated', 'unknown expectation', withLength('PUT', invalid, BODY, 'Expect: 200-maybe\r\n'), fault],
    ['tolerated', 'obs-fold', get(`X: a\r\n ${hidden.replaceAll('\r\n', ' ')}\r\n`), redirect],
    ['tolerated', 'header of 120 kB', get(`X: ${'h'.repeat(120_000)}\r\n`), redirect],
    ['tolerated', 'obs-text in a header', get('X: \u00ff\u0080\r\n'), redirect],
    ['tolerated', 'CONNECT', `CONNECT fuzz:80 HTTP/1.1\r\n${HOST}\r\n`, { status: 0, tag }],
    ['tolerated', 'OPTIONS *', `OPTIONS * HTTP/1.1\r\n${HOST}\r\n`, { status: 0, tag }],
    ['tolerated', 'TRACE', `TRACE ${path} HTTP/1.1\r\n${HOST}\r\n`, { status: 0, tag }],
    ['malformed', 'length and chunks', put(`${length}Transfer-Encoding: chunked\r\n`, chunked), fault],
    ['malformed', 'chunks and length', put(`Transfer-Encoding: chunked\r\n${length}`, chunked), fault],
    ['malformed', 'two lengths', put(`Content-Length: 4\r\n${length}`, `a 1\n${hidden}`), fault],
    ['malformed', 'list of lengths', put(`Content-Length: 0, ${hidden.length}\r\n`, hidden), fault],
    ['malformed', 'length with a sign', put(`Content-Length: +${hidden.length}\r\n`, hidden), fault],
    ['malformed', 'negative length', put('Content-Length: -1\r\n', hidden), fault],
    ['malformed', 'hexadecimal length', put('Content-Length: 0x10\r\n', hidden), fault],
    ['malformed', 'length of 2^64', put('Content-Length: 18446744073709551616\r\n', hidden), fault],
    ['malformed', 'space before the colon', put(`Content-Length : ${hidden.length}\r\n`, hidden), fault],
    ['malformed', 'unknown coding', put('Transfer-Encoding: xchunked\r\n', chunked), fault],
    ['malformed', 'chunked not last', put('Transfer-Encoding: chunked, identity\r\n', chunked), fault],
    [
      'malformed',
      'gzip, chunked',
      put('Transfer-Encoding: gzip, chunked\r\n', `1\r\na\r\n0\r\n\r\n${separate}`),
      fault,
    ],
    ['malformed', 'two codings', put('Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n', chunked), fault],
    ['malformed', 'coding after a vertical tab', put(`Transfer-Encoding: \u000bchunked\r\n${length}`, hidden), fault],
    [
      'malformed',
      'chunks in HTTP/1.0',
      `PUT ${invalid} HTTP/1.0\r\n${HOST}Transfer-Encoding: chunked\r\n${length}\r\n${chunked}`,
      fault,
    ],
    ['malformed', 'NUL in a header', get(`X: a\0b\r\n`), redirect],
    ['malformed', 'bare CR in a header', get(`X: a\rContent-Length: 0\r\n`), redirect],
    ['malformed', 'header without a colon', get('nothing\r\n'), redirect],
    ['malformed', 'header without a name', get(': value\r\n'), redirect],
    ['malformed', 'space before the first header', `GET ${path} HTTP/1.1\r\n ${HOST}\r\n`, redirect],
    ['malformed', 'two hosts', `GET ${path} HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n`, redirect],
    ['malformed', 'no host', `GET ${path} HTTP/1.1\r\n\r\n`, redirect],
    [
      'malformed',
      'chunk size above 2^64',
      put('Transfer-Encoding: chunked\r\n', `ffffffffffffffff1\r\na\r\n0\r\n\r\n${hidden}`),
      fault,
    ],
    [
      'malformed',
      'chunk size with a sign',
      put('Transfer-Encoding: chunked\r\n', `+1\r\na\r\n0\r\n\r\n${hidden}`),
      fault,
    ],
    ['malformed', 'chunk size 0x', put('Transfer-Encoding: chunked\r\n', `0x1\r\na\r\n0\r\n\r\n${hidden}`), fault],
    [
      'malformed',
      'chunk longer than its size',
      put('Transfer-Encoding: chunked\r\n', `1\r\nabc\r\n0\r\n\r\n${hidden}`),
      fault,
    ],
    ['malformed', 'chunk ends with LF', put('Transfer-Encoding: chunked\r\n', `1\na\n0\n\n${hiddenByLf}`), fault],
    [
      'malformed',
      'LF in a chunk extension',
      put('Transfer-Encoding: chunked\r\n', `1;a\nb\r\na\r\n0\r\n\r\n${hidden}`),
      fault,
    ],
    ['malformed', 'no chunk size', put('Transfer-Encoding: chunked\r\n', `\r\na\r\n0\r\n\r\n${hidden}`), fault],
    ['malformed', 'lower-case method', `get ${path} HTTP/1.1\r\n${HOST}\r\n`, redirect],
    ['malformed', 'unknown version', `GET ${path} HTTP/3.7\r\n${HOST}\r\n`, redirect],
    ['malformed', 'space in the path', `GET ${path} x HTTP/1.1\r\n${HOST}\r\n`, redirect],
    ['malformed', 'no version', `GET ${path}\r\n${HOST}\r\n`, redirect],
    ['malformed', 'headers of 200 kB', get(`X: ${'h'.repeat(200_000)}\r\n`), redirect],
    ['malformed', 'noise', `${random.bytes(1 + random.below(80)).toString('latin1')}\r\n\r\n`, redirect],
    ['malformed', 'preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', redirect],
    ['malformed', 'TLS', Buffer.from('16030100a5010000a10303', 'hex').toString('latin1'), redirect],
    ['malformed', 'one byte changed', oneByteChanged(random, id, n), redirect],
  ];
  const [kind, what, bytes, expected] = random.one(options);
  return { kind, what, bytes, ...expected };
}

/** Of a request that hides nothing: the byte may be one of its length. */
function oneByteChanged(random: Random, id: string, n: number): string {
  let { bytes } = validPart(random, id, n);
  while (bytes.includes('smuggled')) ({ bytes } = validPart(random, id, n));
  const at = random.below(bytes.length);
  return bytes.slice(0, at) + String.fromCharCode(random.below(256)) + bytes.slice(at + (random.chance(0.5) ? 1 : 0));
}
