/**
 * A group as it is stored: a hash with one field per family (`f:NAME`) and these beside them:
 *
 *     kind         push | ingest
 *     labels       grouping labels, JSON
 *     until        latest deadline in the group, ms, 0 = never
 *     pushed       arrival of the newest push that was merged, ms; below 0 = it expired, the group lives by a failure alone
 *     failed       arrival of the newest push that was refused, ms
 *     top          stamp of the newest push that was merged
 *
 * and for the merge script only:
 *
 *     floor        stamp of the newest PUT or DELETE; families below it are gone
 *     forgot       failures up to this stamp are gone: that of a DELETE, or of a failure that the group outlived
 *     failedStamp  stamp of the newest push that was refused, and failedUntil its deadline
 *     pushedUntil  deadline of the newest push if it has no families: theirs is the same
 *     soon         no family expires before this, ms, 0 = never
 *
 * A hash without `labels` is a tombstone: it only holds floors.
 */
import type { Labels } from '../exposition/model.ts';
import { decodeLabels, type GroupKind } from '../grouping/group.ts';
import { decodeFamilyRecord, type FamilyRecord } from './family-record.ts';
import type { Stamp } from './stamp.ts';

export interface GroupRecord {
  readonly id: string;
  readonly kind: GroupKind;
  readonly labels: Labels;
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

/** `fields` is a HGETALL reply: name, value, name, value … Returns undefined for no group or a tombstone. */
export function decodeGroupRecord(id: string, fields: readonly Buffer[]): GroupRecord | undefined {
  const meta = new Map<string, string>();
  const families = new Map<string, FamilyRecord>();
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = (fields[i] as Buffer).toString();
    const value = fields[i + 1] as Buffer;
    if (name.startsWith('f:')) families.set(name.slice(2), decodeFamilyRecord(value));
    else meta.set(name, value.toString());
  }
  const labels = meta.get('labels');
  if (labels === undefined) return undefined;
  return {
    id,
    kind: meta.get('kind') === 'ingest' ? 'ingest' : 'push',
    labels: decodeLabels(labels),
    top: meta.get('top') ?? '',
    pushedMs: Math.max(0, Number(meta.get('pushed') ?? 0)),
    failedMs: Number(meta.get('failed') ?? 0),
    untilMs: Number(meta.get('until') ?? 0),
    families,
  };
}

export function familyField(name: string): string {
  return `f:${name}`;
}
