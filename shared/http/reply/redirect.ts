/** Redirects as Go's net/http writes them: a link for GET and HEAD, nothing for the others. */
const LINES = { 301: 'Moved Permanently', 307: 'Temporary Redirect' } as const;

export type RedirectStatus = keyof typeof LINES;

export interface Redirect {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** `location` is a path, as it goes out. */
export function redirectTo(location: string, status: RedirectStatus, method: string | undefined): Redirect {
  if (method !== 'GET' && method !== 'HEAD') return { headers: { Location: location }, body: '' };
  const href = location
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&#34;')
    .replaceAll("'", '&#39;');
  return {
    headers: { Location: location, 'Content-Type': 'text/html; charset=utf-8' },
    body: `<a href="${href}">${LINES[status]}</a>.\n\n`,
  };
}
