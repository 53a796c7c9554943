/** One request, byte for byte as it is sent to both gateways. */
import { gzipSync } from 'node:zlib';

export interface Step {
  readonly method: string;
  /** Neither encoded nor cleaned. Characters stand for bytes (latin1), so that any byte can be sent. */
  readonly path: string;
  readonly body: Buffer;
  readonly headers: Readonly<Record<string, string>>;
  /** The whole request, for requests that no HTTP client sends; the other fields then only describe it. */
  readonly raw?: Buffer;
}

type Body = string | Uint8Array;
type Headers = Record<string, string>;

/** `path` is what follows /metrics for these three. */
export const put = (path: string, body: Body = '', headers: Headers = {}): Step =>
  request('PUT', `/metrics${path}`, body, headers);
export const post = (path: string, body: Body = '', headers: Headers = {}): Step =>
  request('POST', `/metrics${path}`, body, headers);
export const del = (path: string, body: Body = '', headers: Headers = {}): Step =>
  request('DELETE', `/metrics${path}`, body, headers);

export const get = (path: string, headers: Headers = {}): Step => request('GET', path, '', headers);

export function request(method: string, path: string, body: Body = '', headers: Headers = {}): Step {
  return { method, path: bytes(path), body: Buffer.from(body as string), headers };
}

/** A whole request, with `\r\n`. */
export function raw(text: string): Step {
  const [method = '', path = ''] = text.split(' ');
  return { method, path, body: Buffer.alloc(0), headers: {}, raw: Buffer.from(text) };
}

export const gzip = (text: string | Uint8Array): Buffer => gzipSync(text);
export const GZIP = { 'content-encoding': 'gzip' };
export const SNAPPY = { 'content-encoding': 'snappy' };
export const PROTOBUF = {
  'content-type': 'application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited',
};

/** Other characters than ASCII are sent as UTF-8. */
function bytes(path: string): string {
  return Buffer.from(path, 'utf8').toString('latin1');
}

export function describeStep({ method, path, body, headers, raw: whole }: Step): string {
  if (whole !== undefined) return JSON.stringify(whole.toString('latin1'));
  const shown = body.length > 0 ? ` ${JSON.stringify(body.toString('latin1'))}` : '';
  const with_ = Object.keys(headers).length > 0 ? ` ${JSON.stringify(headers)}` : '';
  return `${method} ${path}${shown}${with_}`;
}
