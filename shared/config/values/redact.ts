/** How a fault shows input: on one line, shortened, and without credentials. */
import { quoteForTerminal } from '../../logfmt.ts';

const MAX_SHOWN = 120;

/** Quotes and escapes the text. Everything before an `@` counts as credentials and is replaced. */
export function quoteRedacted(text: string): string {
  const shown = withoutCredentials(text);
  return quoteForTerminal(shown.length > MAX_SHOWN ? `${shown.slice(0, MAX_SHOWN)}…` : shown);
}

/**
 * Greedy on purpose: a password may itself contain `@`, `/`, `,` or `://`, and hiding a host is better than showing the
 * end of a password. A redis URL without `@` may lack its host, so it is hidden unless it is plainly host and port.
 */
function withoutCredentials(text: string): string {
  const at = text.lastIndexOf('@');
  const scheme = /^[^@]*?(\w+:\/\/)/.exec(text)?.[1];
  if (at >= 0) return `${scheme ?? ''}<secret>${text.slice(at)}`;
  const isPlain = /^(?:rediss?:\/\/[\w.-]+(?::\d{1,5})?(?:\/\d*)?(?:,|$))+$/i.test(text);
  return scheme !== undefined && /^rediss?:/i.test(scheme) && !isPlain ? `${scheme}<secret>` : text;
}

/** The name of a flag, key or variable as typed; unquoted if it is harmless. */
export function quoteName(name: string): string {
  return /^[\w.-]{1,80}$/.test(name) ? name : quoteRedacted(name);
}
