/** How a fault shows what it was given: on one line, not too long, and never a secret. */
const maxShown = 120;

/** Quoted and escaped; what stands before an `@` in anything like a URL is taken for credentials. */
export function quote(text: string): string {
  const shown = withoutCredentials(text);
  return JSON.stringify(shown.length > maxShown ? `${shown.slice(0, maxShown)}…` : shown).replace(
    // JSON leaves these alone, yet a terminal may take them for line ends or reorder what follows.
    /[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/**
 * Greedy on purpose: a password may itself hold `@`, `/`, `,` or `://`, and hiding a host too many is better than
 * showing the end of a password. A redis URL that has no `@` may be one whose host was forgotten: hidden unless it is plainly host and port.
 */
export function withoutCredentials(text: string): string {
  const at = text.lastIndexOf('@');
  const scheme = /^[^@]*?(\w+:\/\/)/.exec(text)?.[1];
  if (at >= 0) return `${scheme ?? ''}<secret>${text.slice(at)}`;
  const plain = /^(?:rediss?:\/\/[\w.-]+(?::\d{1,5})?(?:\/\d*)?(?:,|$))+$/i.test(text);
  return scheme !== undefined && /^rediss?:/i.test(scheme) && !plain ? `${scheme}<secret>` : text;
}

/** A flag, key or variable name as typed: shown bare when it is harmless. */
export function quoteName(name: string): string {
  return /^[\w.-]{1,80}$/.test(name) ? name : quote(name);
}
