/**
 * base64url as the official gateway decodes it (Go's `base64.RawURLEncoding` after trimming `=`): it allows any number
 * of `=` at the end, line breaks anywhere, and spare bits at the end.
 */
const OUTSIDE_ALPHABET = /[^A-Za-z0-9_-]/;
const LINE_BREAKS = /[\r\n]/g;

/** Returns the bytes, or the reason why the text is invalid, in Go's words. */
export function decodeBase64Url(text: string): Buffer | string {
  let end = text.length;
  while (end > 0 && text.charCodeAt(end - 1) === 0x3d /* = */) end--;
  const trimmed = text.slice(0, end);
  // Replaced, not removed, because the reason counts them.
  const wrong = trimmed.replaceAll(LINE_BREAKS, 'A').search(OUTSIDE_ALPHABET);
  if (wrong >= 0) return `illegal base64 data at input byte ${String(Buffer.byteLength(trimmed.slice(0, wrong)))}`;
  const digits = trimmed.replaceAll(LINE_BREAKS, '');
  if (digits.length % 4 === 1) return `illegal base64 data at input byte ${String(trimmed.length - 1)}`;
  return Buffer.from(digits, 'base64url');
}

export function encodeBase64Url(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64url');
}
