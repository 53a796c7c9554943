/** Redirects as Go's net/http writes them: for GET and HEAD with a link as body, for other methods without a body. */
const STATUS_TEXT = { 301: 'Moved Permanently', 307: 'Temporary Redirect' } as const;

export type RedirectStatus = keyof typeof STATUS_TEXT;

interface Redirect {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** `location` is sent as it is. */
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
    body: `<a href="${href}">${STATUS_TEXT[status]}</a>.\n\n`,
  };
}
