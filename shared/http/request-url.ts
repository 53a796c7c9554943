/** What a request says about its URL: the path before the first `?`, the parameters after it, the host. */
import type { IncomingHttpHeaders } from 'node:http';

export function pathOf(url: string): string {
  const end = url.indexOf('?');
  return end === -1 ? url : url.slice(0, end);
}

export function queryOf(url: string): URLSearchParams {
  return new URLSearchParams(url.slice(pathOf(url).length + 1));
}

/** With a port, unless it is the default one. */
export function hostOf(headers: IncomingHttpHeaders): string | undefined {
  const { host, ':authority': ofHttp2 } = headers;
  return host ?? ofHttp2?.toString();
}
