/**
 * A group as it is stored: a hash, written by merge.lua only, with a field `f:NAME` for each family and
 *
 *     labels = ( "push" | "ingest" ) SP grouping-labels             as JSON, see model/labels.ts
 *     meta   = top SP pushed SP failed SP until SP soon
 *
 *     top      stamp of the newest push that was merged; `-` if none was, only failed ones
 *     pushed   arrival of that push, ms since the epoch, 0 = none
 *     failed   arrival of the newest push that was rejected, ms since the epoch, 0 = none
 *     until    latest deadline in the group, ms since the epoch, 0 = never
 *     soon     no family has to be removed earlier, ms since the epoch, 0 = never; expired ones may stay for longer
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
  /** '' if no push was merged yet, only failed ones. */
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

/** `fields` are those of the hash. Undefined if there are none. Throws for a hash that no gateway wrote. */
export function decodeGroupRecord(id: string, fields: ReadonlyMap<string, Buffer>): GroupRecord | undefined {
  if (fields.size === 0) return undefined;
  const families = new Map<string, FamilyRecord>();
  for (const [name, value] of fields) {
    if (name.startsWith(FAMILY)) families.set(name.slice(FAMILY.length), decodeFamilyRecord(value));
  }
  const order = fields.get('labels')?.toString() ?? '';
  const meta = fields.get('meta') ?? NOTHING;
  const topEnd = meta.indexOf(SPACE);
  const [pushed, failed, until] = meta.toString('latin1', topEnd + 1).split(' ');
  if (!order.includes(' ') || topEnd === -1 || until === undefined)
    throw new Error(`cannot decode group ${id}: "labels" or "meta" is missing or incomplete`);
  // Decoded on its own: a slice of a string keeps all of it in memory.
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
