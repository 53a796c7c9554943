/**
 * A push as it travels: accepted by ingest, written to the log, read by a worker. Plain data.
 */
import type { BodyFormat } from '../exposition/decode-body.ts';
import type { Labels } from '../exposition/model.ts';
import type { GroupKind } from '../grouping/group.ts';

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
  /** For `ingest` the groups follow from the body: each label set is one; no labels are added, there are no push times. */
  readonly kind: GroupKind;
  /** Grouping labels sorted by name; empty for kind ingest. */
  readonly labels: Labels;
  /** When ingest received it, ms since the epoch: TTLs count from here. */
  readonly arrivalMs: number;
  /** 0 = never expires. */
  readonly ttlMs: number;
  readonly format: BodyFormat;
  readonly body: Buffer;
}

/** What became of a push, as the change feed tells it. */
export type Outcome =
  /** Merged into its group. */
  | 'applied'
  /** Newer pushes had already replaced all of it. */
  | 'superseded'
  /** Appended twice; the other one was merged. */
  | 'duplicate'
  /** Put aside with the reason. */
  | 'dead-lettered';

/** ms since the epoch, 0 = never. */
export function deadlineOf(push: Pick<Push, 'arrivalMs' | 'ttlMs'>): number {
  return push.ttlMs === 0 ? 0 : Math.ceil(push.arrivalMs + push.ttlMs);
}
