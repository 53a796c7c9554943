/** A push on its way: checked and rendered by ingest, kept in the log, applied by a worker. Plain data. */
import type { GroupKind } from '../model/group.ts';
import type { FamilyContent } from './family-record.ts';

/**
 * FAIL records that a push was rejected: it sets the push_failure_time_seconds of the group and nothing else.
 * WIPE deletes all groups of its shard.
 */
export type Verb = GroupVerb | 'FAIL' | 'WIPE';
export type GroupVerb = 'PUT' | 'POST' | 'DELETE';

export interface Push {
  /** Unique. Identifies a push that was appended twice because the first append had no reply. */
  readonly id: string;
  readonly verb: Verb;
  readonly kind: GroupKind;
  /** When ingest received it, ms since the epoch. The TTL counts from here. */
  readonly arrivalMs: number;
  /** 0 = never expires. */
  readonly ttlMs: number;
  /** One for kind push, one for each label set for kind ingest, none for WIPE. */
  readonly groups: readonly GroupContent[];
}

/** What a push brings to one group. */
export interface GroupContent {
  readonly groupId: string;
  /** Encoded (model/labels.ts), sorted by name. */
  readonly labels: string;
  readonly families: readonly NamedFamily[];
}

export interface NamedFamily {
  readonly name: string;
  readonly content: FamilyContent;
}

/** How a push was settled. */
export type Outcome =
  /** Merged into its group. */
  | 'applied'
  /** A newer push of the same batch replaces all of it. */
  | 'superseded'
  /** It was appended twice; the other one was merged. */
  | 'duplicate'
  /** It could not be applied and was put aside, with the reason. */
  | 'dead-lettered';

/** ms since the epoch, 0 = never. */
export function deadlineOf(push: Pick<Push, 'arrivalMs' | 'ttlMs'>): number {
  return push.ttlMs === 0 ? 0 : Math.ceil(push.arrivalMs + push.ttlMs);
}
