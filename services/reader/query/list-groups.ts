/**
 * Groups that are asked for, in order and in parts: by cursor, which stays good whatever comes and goes, or by page number.
 */
import { GatewayError } from '../../../shared/errors.ts';
import { quote } from '../../../shared/model/quote.ts';
import type { SnapshotGroup } from '../snapshot/snapshot.ts';
import { firstAfter, type ListedGroup } from './list-groups-index.ts';
import { isSelected, type Selector } from './selector.ts';

export interface GroupFilter {
  /** One of them has to select the group, if there are any. */
  readonly selectors?: readonly Selector[];
  /** Part of its labels as they are shown, in any case. */
  readonly text?: string;
  /** Only those whose last push failed. */
  readonly failed?: boolean;
}

export function filterGroups(groups: readonly ListedGroup[], filter: GroupFilter): readonly ListedGroup[] {
  const { selectors = [], text = '', failed = false } = filter;
  const searched = text.toLowerCase();
  if (selectors.length === 0 && searched === '' && !failed) return groups;
  return groups.filter(
    (one) =>
      (!failed || hasFailed(one.group)) &&
      one.searched.includes(searched) &&
      (selectors.length === 0 || selectors.some((selector) => isSelected(one.labels, selector))),
  );
}

export function hasFailed({ record }: SnapshotGroup): boolean {
  return record.failedMs > record.pushedMs;
}

export interface ListPart {
  readonly groups: readonly SnapshotGroup[];
  /** Undefined at the end. */
  readonly nextCursor: string | undefined;
}

/** `cursor` is that of the part before; undefined = from the beginning. Throws GatewayError `request_invalid`. */
export function partOf(groups: readonly ListedGroup[], limit: number, cursor: string | undefined): ListPart {
  const start = cursor === undefined ? 0 : firstAfter(groups, keyOf(cursor));
  const part = groups.slice(start, start + limit);
  const last = part.at(-1);
  const isEnd = last === undefined || start + limit >= groups.length;
  return { groups: part.map(({ group }) => group), nextCursor: isEnd ? undefined : cursorOf(last) };
}

/** It says after which key to go on, so that the group itself may be gone by then. */
function cursorOf({ key }: ListedGroup): string {
  return Buffer.from(key).toString('base64url');
}

function keyOf(cursor: string): string {
  const key = Buffer.from(cursor, 'base64url').toString();
  if (!/^[01](?:".*)? [\w-]{22}$/su.test(key) || Buffer.from(key).toString('base64url') !== cursor) {
    throw new GatewayError(
      'request_invalid',
      `cannot use cursor ${quote(cursor)}: expected a next_cursor as it was given`,
    );
  }
  return key;
}
