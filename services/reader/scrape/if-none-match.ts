/**
 * If-None-Match, by RFC 9110, 13.1.2: "*", or a list of tags, which are compared weakly, as a proxy that compresses makes ours weak.
 *
 *     If-None-Match = "*" / #entity-tag
 *     entity-tag    = [ "W/" ] DQUOTE *etagc DQUOTE        etagc may be a comma, and is no quote
 *
 * https://www.rfc-editor.org/rfc/rfc9110#section-13.1.2
 */

/** Whether the client has what `tag`, with its quotes, stands for. */
export function isKnown(ifNoneMatch: string | undefined, tag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  if (ifNoneMatch.trim() === '*') return true;
  const tags: readonly string[] = ifNoneMatch.match(/"[^"]*"/g) ?? [];
  return tags.includes(tag);
}
