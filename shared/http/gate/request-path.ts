/** Rewrites the path of a request to what the routes of the official gateway receive: clean and decoded. Pure. */
import { pathOf } from '../request-url.ts';

/**
 * Removes empty, `.` and `..` segments from the path; Go's ServeMux redirects to the result. An escaped `%2E%2E` is a
 * value and stays. A path with an invalid escape is returned as it is, and refused later.
 */
export function cleanUrl(url: string): string {
  // A cheap test first: most URLs have no such segment.
  if (!/\/[./]/.test(url)) return url;
  const path = pathOf(url);
  if (/%(?![0-9a-f]{2})/i.test(path)) return url;
  const segments: string[] = [];
  for (const segment of path.split('/')) {
    if (segment === '..') segments.pop();
    else if (segment !== '' && segment !== '.') segments.push(segment);
  }
  const clean = `/${segments.join('/')}`;
  // A slash at the end stays, but cleaning does not add one.
  const slash = path.endsWith('/') && segments.length > 0 ? '/' : '';
  return clean + slash + url.slice(path.length);
}

/**
 * Decodes every escape in the path that need not be one, so that a route is found however its path was written
 * (`/job%40base64/`), and `%2F` separates like `/`. A path that cannot be decoded stays as it is; the route refuses it.
 */
export function unescapedUrl(url: string): string {
  const path = pathOf(url);
  if (!path.includes('%')) return url;
  try {
    return escapePath(decodeURIComponent(path)) + url.slice(path.length);
  } catch {
    return url;
  }
}

/** The inverse of decodeURIComponent, except that `/` stays. */
function escapePath(path: string): string {
  return encodeURI(path).replaceAll('?', '%3F').replaceAll('#', '%23');
}
