/**
 * A push as it travels: checked and rendered by ingest, kept in the log, applied by a worker. Plain data.
 */
import type { GroupKind } from '../model/group.ts';
import type { FamilyContent } from './family-record.ts';

/**
 * FAIL records that a push was refused: it sets the group's push_failure_time_seconds and nothing else.
 * WIPE deletes all groups of its shard.
 */
export type Verb = GroupVerb | 'FAIL' | 'WIPE';
export type GroupVerb = 'PUT' | 'POST' | 'DELETE';

export interface Push {
  /** Unique; recognises a push that was appended twice because the first append had no reply. */
  readonly id: string;
  readonly verb: Verb;
  readonly kind: GroupKind;
  /** When ingest received it, ms since the epoch: TTLs count from here. */
  readonly arrivalMs: number;
  /** 0 = never expires. */
  readonly ttlMs: number;
  /** One for kind push, as many as there are label sets for kind ingest, none for WIPE. */
  readonly groups: readonly GroupContent[];
}

/** What a push brings to one group. */
export interface GroupContent {
  readonly groupId: string;
  /** Encoded (grouping/labels.ts), sorted by name. */
  readonly labels: string;
  readonly families: readonly NamedFamily[];
}

export interface NamedFamily {
  readonly name: string;
  readonly content: FamilyContent;
}

/** What became of a push, as the change feed tells it. */
export type Outcome =
  /** Merged into its group. */
  | 'applied'
  /** A newer push had already replaced all of it. */
  | 'superseded'
  /** Appended twice; the other one was merged. */
  | 'duplicate'
  /** Put aside with the reason. */
  | 'dead-lettered';

/** ms since the epoch, 0 = never. */
export function deadlineOf(push: Pick<Push, 'arrivalMs' | 'ttlMs'>): number {
  return push.ttlMs === 0 ? 0 : Math.ceil(push.arrivalMs + push.ttlMs);
}
