/** Filters the ordered groups, and takes pages of them. A cursor stays valid when groups are added and removed. */
import { GatewayError } from '../../../shared/errors.ts';
import { quote } from '../../../shared/model/quote.ts';
import type { SnapshotGroup } from '../snapshot/snapshot.ts';
import { firstAfter, type ListedGroup } from './group-index.ts';
import { hasFailed } from './group-summary.ts';
import { isSelected, type Selector } from './selector.ts';

export interface GroupFilter {
  /** If there are any, at least one must select the group. */
  readonly selectors?: readonly Selector[];
  /** Must occur in the labels as they are displayed, ignoring case. */
  readonly text?: string;
  /** Whether to list only groups whose last push failed. */
  readonly failed?: boolean;
}

export function filterGroups(groups: readonly ListedGroup[], filter: GroupFilter): readonly ListedGroup[] {
  const { selectors = [], text = '', failed = false } = filter;
  const lowerCase = text.toLowerCase();
  if (selectors.length === 0 && lowerCase === '' && !failed) return groups;
  return groups.filter(
    (one) =>
      (!failed || hasFailed(one.group)) &&
      one.searchText.includes(lowerCase) &&
      (selectors.length === 0 || selectors.some((selector) => isSelected(one.labels, selector))),
  );
}

export interface CursorPage {
  readonly groups: readonly SnapshotGroup[];
  /** Undefined on the last page. */
  readonly nextCursor: string | undefined;
}

/** `cursor` is that of the previous page; undefined for the first page. Throws GatewayError `request_invalid`. */
export function takePage(groups: readonly ListedGroup[], limit: number, cursor: string | undefined): CursorPage {
  const start = cursor === undefined ? 0 : firstAfter(groups, keyOf(cursor));
  const page = groups.slice(start, start + limit);
  const last = page.at(-1);
  const isEnd = last === undefined || start + limit >= groups.length;
  return { groups: page.map(({ group }) => group), nextCursor: isEnd ? undefined : cursorOf(last) };
}

/** Contains the key of the last group rather than its position, so the group may be gone when the cursor is used. */
function cursorOf({ key }: ListedGroup): string {
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
