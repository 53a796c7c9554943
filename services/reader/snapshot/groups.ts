/**
 * A group of the snapshot, and what it holds of each family. There are as many of these as groups, and they live long.
 * Therefore they share what many have in common, and what is seldom needed is computed on demand.
 */
import type { GroupingNames } from '../../../shared/consistency/series-owners.ts';
import { labelsIn } from '../../../shared/model/group.ts';
import type { Labels, MetricType } from '../../../shared/model/metric-family.ts';
import { UNSCHEDULED, type Timed } from '../../../shared/records/deadlines.ts';
import type { FamilyRecord } from '../../../shared/records/family-record.ts';
import type { GroupRecord } from '../../../shared/records/group-record.ts';
import type { Stamp } from '../../../shared/records/stamp.ts';

/** Why a family of a group is kept out of the exposition (see snapshot.ts). */
export type KeptOut = 'type' | 'duplicate' | 'clash';

/** A family without its samples: the same in most groups, which then share it. */
export type FamilyHead = Readonly<Pick<FamilyRecord, 'type' | 'samples' | 'help' | 'exact'> & { name: string }>;

/**
 * The push that wrote a family, and the family's deadline: in most cases those of its group, whose object is shared.
 */
export type Written = Pick<GroupRecord, 'top' | 'pushedMs' | 'untilMs'>;

/** What a group holds of one family. Its text is in the text of the snapshot. */
export class Holding implements Omit<FamilyRecord, 'text'> {
  readonly group: SnapshotGroup;
  head: FamilyHead;
  written: Written;
  bytes: number;
  reason: KeptOut | undefined = undefined;
  /** Its text while it is kept out. */
  hidden: Buffer | undefined = undefined;

  constructor(group: SnapshotGroup, head: FamilyHead, written: Written, bytes: number) {
    this.group = group;
    this.head = head;
    this.written = written;
    this.bytes = bytes;
  }

  get name(): string {
    return this.head.name;
  }

  get type(): MetricType {
    return this.head.type;
  }

  get samples(): number {
    return this.head.samples;
  }

  get help(): string {
    return this.head.help;
  }

  get exact(): Buffer {
    return this.head.exact;
  }

  get stamp(): Stamp {
    return this.written.top;
  }

  get arrivalMs(): number {
    return this.written.pushedMs;
  }

  get deadlineMs(): number {
    return this.written.untilMs;
  }
}

export class SnapshotGroup implements Timed {
  readonly id: string;
  /** Orders its chunks of text within a family. */
  readonly order: string;
  readonly names: GroupingNames;
  /** The labels of its push times, rendered; undefined until its second push. */
  timeLabels: string | undefined = undefined;
  readonly holdings = new Map<string, Holding>();
  record: Pick<GroupRecord, 'kind' | 'top' | 'pushedMs' | 'failedMs' | 'untilMs'>;
  scheduledMs = UNSCHEDULED;

  constructor(id: string, order: string, names: GroupingNames, record: SnapshotGroup['record']) {
    this.id = id;
    this.order = order;
    this.names = names;
    this.record = record;
  }

  /** Decoded each time: few callers need them, and to keep them would cost several objects for each group. */
  get labels(): Labels {
    return labelsIn(this.order);
  }
}
