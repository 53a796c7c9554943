/** Filters the ordered groups, and takes pages of them. A cursor stays valid when groups are added and removed. */
import { Slices } from '../../../shared/async/time-slices.ts';
import { GatewayError } from '../../../shared/errors.ts';
import { formatSelector } from '../../../shared/model/format-selector.ts';
import { quote } from '../../../shared/model/quote.ts';
import { firstAfter, jobFirst, type ListedGroup } from './group-index.ts';
import { hasFailed } from './group-summary.ts';
import { PatternFault, patternBudget, type PatternBudget, type PatternMatcher } from './pattern-matcher.ts';
import { matchesSimply, valueOf, type EngineMatcher, type Selector } from './selector.ts';

export interface GroupFilter {
  /** If there are any, at least one must select the group. */
  readonly selectors?: readonly Selector[];
  /** Must occur in the labels as they are displayed, ignoring case. */
  readonly text?: string;
  /** Whether to list only groups whose last push failed. */
  readonly failed?: boolean;
}

/** Length of a slice, ms. Short, because anybody may ask, and pushes and scrapes take their turns between slices. */
export const QUERY_SLICE_MS = 2;

/** Time that the search may take on the event loop, ms. With 100,000 groups a text takes 0.3 s. */
const MAX_SEARCH_MS = 5_000;

/** Throws GatewayError `request_invalid` for a pattern that is invalid, or for a search that takes too long. */
export async function filterGroups(
  groups: readonly ListedGroup[],
  { selectors = [], text = '', failed = false }: GroupFilter,
  patterns: PatternMatcher,
): Promise<readonly ListedGroup[]> {
  const lowerCase = text.toLowerCase();
  if (selectors.length === 0 && lowerCase === '' && !failed) return groups;
  const needsLabels = lowerCase !== '' || selectors.length > 0;
  const slices = new Slices(QUERY_SLICE_MS);
  const found: ListedGroup[] = [];
  /** For each selector, what its simple matchers leave. */
  const candidates = selectors.map((): ListedGroup[] => []);
  for (const one of groups) {
    await pause(slices);
    if (failed && !hasFailed(one.group)) continue;
    const labels = needsLabels ? one.group.labels : [];
    if (lowerCase !== '' && !formatSelector(jobFirst(labels)).toLowerCase().includes(lowerCase)) continue;
    found.push(one);
    for (const [i, selector] of selectors.entries()) if (matchesSimply(labels, selector)) candidates[i]?.push(one);
  }
  if (selectors.length === 0) return found;
  const budget = patternBudget();
  const selected = new Set<ListedGroup>();
  for (const [i, { engine }] of selectors.entries()) {
    let left = candidates[i] ?? [];
    for (const matcher of engine) left = await matching(left, matcher, patterns, budget, slices);
    for (const one of left) selected.add(one);
  }
  return found.filter((one) => selected.has(one));
}

async function matching(
  groups: readonly ListedGroup[],
  { name, pattern, isNegated, refused }: EngineMatcher,
  patterns: PatternMatcher,
  budget: PatternBudget,
  slices: Slices,
): Promise<ListedGroup[]> {
  const values = new Set<string>();
  for (const { group } of groups) {
    values.add(valueOf(group.labels, name));
    await pause(slices);
  }
  const matched = await patterns.matching(pattern, values, budget).catch((thrown: unknown) => {
    throw thrown instanceof PatternFault ? refused(thrown.expected, thrown.message) : thrown;
  });
  const left: ListedGroup[] = [];
  for (const one of groups) {
    if (matched.has(valueOf(one.group.labels, name)) !== isNegated) left.push(one);
    await pause(slices);
  }
  return left;
}

async function pause(slices: Slices): Promise<void> {
  if (!slices.isOver) return;
  if (slices.spentMs > MAX_SEARCH_MS) {
    const seconds = MAX_SEARCH_MS / 1_000;
    throw new GatewayError('request_invalid', `cannot search for more than ${seconds} s: expected fewer matchers`);
  }
  await slices.next();
}

export interface CursorPage {
  readonly groups: readonly ListedGroup[];
  /** Whether there are more. */
  readonly isLast: boolean;
}

/** `cursor` is that of the previous page; undefined for the first page. Throws GatewayError `request_invalid`. */
export function takePage(groups: readonly ListedGroup[], limit: number, cursor: string | undefined): CursorPage {
  const start = cursor === undefined ? 0 : firstAfter(groups, keyOf(cursor));
  return { groups: groups.slice(start, start + limit), isLast: start + limit >= groups.length };
}

/** Contains the key of the last group rather than its position, so the group may be gone when the cursor is used. */
export function cursorOf({ key }: ListedGroup): string {
  return Buffer.from(key).toString('base64url');
}

function keyOf(cursor: string): string {
  const key = Buffer.from(cursor, 'base64url').toString();
  if (!/^[01](?:".*)? [\w-]{22}$/su.test(key) || Buffer.from(key).toString('base64url') !== cursor) {
    throw new GatewayError(
      'request_invalid',
      `cannot use cursor ${quote(cursor)}: expected the next_cursor of an earlier response`,
    );
  }
  return key;
}
