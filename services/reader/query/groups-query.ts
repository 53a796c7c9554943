/** The parameters of GET /api/v1/groups. */
import { GatewayError } from '../../../shared/errors.ts';
import { quote } from '../../../shared/model/quote.ts';
import type { GroupFilter } from './list-groups.ts';
import { parseSelector } from './selector.ts';

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 1_000;
const MAX_SELECTORS = 20;

export interface GroupsQuery {
  readonly filter: GroupFilter;
  readonly withFamilies: boolean;
  /** Maximum number of groups on a page. */
  readonly limit: number;
  readonly cursor: string | undefined;
}

/** Throws GatewayError `request_invalid`. */
export function parseGroupsQuery(query: URLSearchParams): GroupsQuery {
  const selectors = query.getAll('match[]');
  if (selectors.length > MAX_SELECTORS) {
    throw invalid(`cannot use ${selectors.length} match[]: expected no more than ${MAX_SELECTORS}`);
  }
  const filter = { selectors: selectors.map(parseSelector), text: query.get('q') ?? '', failed: flag(query, 'failed') };
  const cursor = query.get('cursor') ?? undefined;
  return { filter, withFamilies: flag(query, 'families'), limit: parseLimit(query.get('limit')), cursor };
}

function parseLimit(text: string | null): number {
  if (text === null) return DEFAULT_LIMIT;
  const limit = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > MAX_LIMIT) {
    throw invalid(`cannot use limit ${quote(text)}: expected a whole number from 1 to ${MAX_LIMIT}`);
  }
  return limit;
}

function flag(query: URLSearchParams, name: string): boolean {
  const text = query.get(name);
  if (text !== null && text !== 'true' && text !== 'false') {
    throw invalid(`cannot use ${name} ${quote(text)}: expected true or false`);
  }
  return text === 'true';
}

function invalid(message: string): GatewayError {
  return new GatewayError('request_invalid', message);
}
