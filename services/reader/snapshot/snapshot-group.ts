/**
 * A group of the snapshot, and what it holds of each family. There are as many as groups, and kept for long, so what many of them have in
 * common they share, and what is seldom asked for is made when it is.
 */
import type { Labels, MetricType } from '../../../shared/model/metric-family.ts';
import type { GroupingNames } from '../../../shared/consistency/series-owners.ts';
import { labelsIn } from '../../../shared/model/group.ts';
import { UNSCHEDULED, type Timed } from '../../../shared/records/deadlines.ts';
import type { FamilyRecord } from '../../../shared/records/family-record.ts';
import type { GroupRecord } from '../../../shared/records/group-record.ts';
import type { Stamp } from '../../../shared/records/stamp.ts';

/** Why a family of a group is kept out of the exposition (see snapshot.ts). */
export type KeptOut = 'type' | 'duplicate' | 'clash';

/** What a family is apart from its samples: mostly the same in all groups, which share it then. */
export type FamilyHead = Readonly<Pick<FamilyRecord, 'type' | 'samples' | 'help' | 'exact'> & { name: string }>;

/** The push that wrote a family, and until when: mostly the group's newest, which has them already. */
export type Written = Pick<GroupRecord, 'top' | 'pushedMs' | 'untilMs'>;

/** What a group holds of one family. Its text is in the snapshot's. */
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
  /** Orders its chunks within a family. */
  readonly order: string;
  readonly names: GroupingNames;
  /** The labels of its push times, rendered; undefined until they are needed again. */
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

  /** Made each time: few ask for them, and kept they would be several objects more for each group. */
  get labels(): Labels {
    return labelsIn(this.order);
  }
}
