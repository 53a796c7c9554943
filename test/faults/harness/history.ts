/**
 * The pushes to the gateway as its clients know them, with which scrapes are compared.
 *
 * Each group has one writer, which waits for each answer before the next push. A PUT carries all families with one
 * value, a POST only the middle one, so that half of a PUT differs from a POST:
 *
 *     PUT 7      a=7 b=7 c=7
 *     POST 8     a=7 b=8 c=7
 *     DELETE 9   nothing
 */
export type Verb = 'PUT' | 'POST' | 'DELETE';

/**
 * ok              answered 2xx: it must take effect, once
 * refused         answered with a definite error: it must never be visible
 * indeterminate   no answer, or an unknown outcome: it may take effect, once, at any time after it was sent
 */
export type Fate = 'ok' | 'refused' | 'indeterminate';

export interface Push {
  readonly group: string;
  /** Unique within the group, and growing. */
  readonly value: number;
  readonly verb: Verb;
  /** Wall clock, ms, as the push times. */
  readonly sentMs: number;
  readonly answeredMs: number;
  readonly fate: Fate;
  /** Status and text, or the error of the connection. */
  readonly answer: string;
}

/** Redis was emptied by the test at some moment in this interval: earlier pushes are gone. */
export interface Flush {
  readonly sentMs: number;
  readonly answeredMs: number;
}

export interface History {
  readonly pushes: readonly Push[];
  readonly flushes: readonly Flush[];
}

/** The values of the families a, b and c of a group; 0 = no such family, NaN = its series differ. */
export type Content = readonly [a: number, b: number, c: number];

export const EMPTY: Content = [0, 0, 0];

export function afterPush([a, , c]: Content, { verb, value }: Pick<Push, 'verb' | 'value'>): Content {
  switch (verb) {
    case 'PUT':
      return [value, value, value];
    case 'POST':
      return [a, value, c];
    case 'DELETE':
      return EMPTY;
    default:
      return verb satisfies never;
  }
}

export function isSame(one: Content, other: Content): boolean {
  return one.every((value, i) => Object.is(value, other[i]));
}

export interface GroupView {
  readonly content: Content;
  /** push_time_seconds, in ms; undefined if it is missing. */
  readonly pushedMs: number | undefined;
}

/** One scrape that was answered. */
export interface Observation {
  readonly reader: string;
  readonly askedMs: number;
  readonly answeredMs: number;
  readonly groups: ReadonlyMap<string, GroupView>;
  /** Why the exposition is invalid. */
  readonly invalid?: string;
}
