/**
 * The If-None-Match header. Tags are compared weakly, because a proxy that compresses the response makes our tag weak.
 *
 *     If-None-Match = "*" / #entity-tag
 *     entity-tag    = [ "W/" ] DQUOTE *etagc DQUOTE        etagc may be a comma, but not a quote
 *
 * https://www.rfc-editor.org/rfc/rfc9110#section-13.1.2
 */

/** A longer list counts as missing, because reading it takes too long. */
const MAX_CHARS = 4_096;

/** Whether the client already has the version with this tag. `tag` includes its quotes. */
export function matchesTag(ifNoneMatch: string | undefined, tag: string): boolean {
  if (ifNoneMatch === undefined || ifNoneMatch.length > MAX_CHARS) return false;
  if (ifNoneMatch.trim() === '*') return true;
  const tags: readonly string[] = ifNoneMatch.match(/"[^"]*"/g) ?? [];
  return tags.includes(tag);
}
