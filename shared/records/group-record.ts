/**
 * A group as it is stored: a hash with one field per family (`f:NAME`) and these beside them, which only merge.lua writes:
 *
 *     labels   push | ingest, SP, grouping labels as JSON
 *     meta     top SP pushed SP failed SP until SP soon
 *
 *     top      stamp of the newest push that was merged; `-` = none yet, only refused ones
 *     pushed   arrival of that push, ms, 0 = none
 *     failed   arrival of the newest push that was refused, ms, 0 = none
 *     until    latest deadline in the group, ms, 0 = never
 *     soon     no family has to be removed before this, ms, 0 = never; some that expired may be there for longer
 */
import type { Labels } from '../model/metric-family.ts';
import { labelsIn, type GroupKind } from '../model/group.ts';
import { decodeFamilyRecord, NOTHING, type FamilyRecord } from './family-record.ts';
import type { Stamp } from './stamp.ts';

export interface GroupRecord {
  readonly id: string;
  readonly kind: GroupKind;
  readonly labels: Labels;
  /** Kind and labels as they are stored (see `groupOrder`). */
  readonly order: string;
  /** '' when no push was merged yet (only refused ones). */
  readonly top: Stamp;
  /** 0 = never. */
  readonly pushedMs: number;
  /** 0 = never. */
  readonly failedMs: number;
  /** 0 = never expires. */
  readonly untilMs: number;
  readonly families: ReadonlyMap<string, FamilyRecord>;
}

const FAMILY = 'f:';
const SPACE = 32;

/** `fields` is a reply as of HGETALL: name, value, name, value … Undefined for no group. Throws for what no gateway wrote. */
export function decodeGroupRecord(id: string, fields: readonly Buffer[]): GroupRecord | undefined {
  if (fields.length === 0) return undefined;
  let order = '';
  let meta: Buffer = NOTHING;
  const families = new Map<string, FamilyRecord>();
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = (fields[i] as Buffer).toString();
    const value = fields[i + 1] as Buffer;
    if (name.startsWith(FAMILY)) families.set(name.slice(FAMILY.length), decodeFamilyRecord(value));
    else if (name === 'labels') order = value.toString();
    else if (name === 'meta') meta = value;
  }
  const topEnd = meta.indexOf(SPACE);
  const [pushed, failed, until] = meta.toString('latin1', topEnd + 1).split(' ');
  if (!order.includes(' ') || topEnd === -1 || until === undefined)
    throw new Error(`cannot decode group ${id}: it has no labels or meta`);
  // Not a part of all `meta`, which would stay in memory as long as the stamp does.
  const top = meta.toString('latin1', 0, topEnd);
  return {
    id,
    kind: order.startsWith('ingest') ? 'ingest' : 'push',
    labels: labelsIn(order),
    order,
    top: top === '-' ? '' : top,
    pushedMs: Number(pushed),
    failedMs: Number(failed),
    untilMs: Number(until),
    families,
  };
}

export function familyField(name: string): string {
  return FAMILY + name;
}
