/**
 * JSON in pieces: an answer has no limit on its length, and none of its pieces takes long to make, because what is
 * pushed has no long texts (shared/exposition/push-limits.ts).
 */

/** The members of an object, without its braces. */
export function membersJson(object: Readonly<Record<string, unknown>>): string {
  return JSON.stringify(object).slice(1, -1);
}

/** The items in brackets, with commas between them. */
export function* listJson<T>(items: Iterable<T>, itemJson: (item: T) => Iterable<string>): Generator<string> {
  let separator = '[';
  for (const item of items) {
    yield separator;
    yield* itemJson(item);
    separator = ',';
  }
  yield separator === '[' ? '[]' : ']';
}
