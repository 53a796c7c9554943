/**
 * The path of a request as the official gateway's routes get to see it: clean, and decoded. Pure.
 */

/**
 * The same URL without empty, `.` and `..` parts in its path: what Go's ServeMux redirects to. Only as they are written: an escaped `%2E%2E`
 * is a value like any other.
 */
export function cleanUrl(url: string): string {
  // Most have neither, and are found to at the cost of one look.
  if (!/\/[./]/.test(url)) return url;
  const end = url.indexOf('?');
  const path = end === -1 ? url : url.slice(0, end);
  // No URL at all, and refused as such.
  if (/%(?![0-9a-f]{2})/i.test(path)) return url;
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  const clean = `/${parts.join('/')}`;
  // A slash at the end stays; one that only came about by cleaning does not.
  const slash = path.endsWith('/') && parts.length > 0 ? '/' : '';
  return clean + slash + url.slice(path.length);
}

/**
 * The same URL with nothing in its path escaped that need not be, so that a route is found however it was written (`/job%40base64/`), and
 * `%2F` separates like `/`. What cannot be decoded stays as it is: it is for the route to refuse.
 */
export function unescapedUrl(url: string): string {
  const end = url.indexOf('?');
  const path = end === -1 ? url : url.slice(0, end);
  if (!path.includes('%')) return url;
  try {
    return escapePath(decodeURIComponent(path)) + url.slice(path.length);
  } catch {
    return url;
  }
}

/** The inverse of decoding: `/` stays, whatever is not a part of a path is escaped. */
function escapePath(path: string): string {
  return encodeURI(path).replaceAll('?', '%3F').replaceAll('#', '%23');
}
