import { groupOrder, makeGroup, type GroupKind } from '../../shared/model/group.ts';
import type { Labels, MetricType } from '../../shared/model/metric-family.ts';
import type { FamilyRecord } from '../../shared/records/family-record.ts';
import type { GroupRecord } from '../../shared/records/group-record.ts';
import type { Snapshot } from '../../services/reader/snapshot/snapshot.ts';
import { stampOf } from './stamp.ts';

export interface GivenGroup {
  readonly kind?: GroupKind;
  readonly labels: Labels;
  readonly pushedMs?: number;
  readonly failedMs?: number;
  readonly untilMs?: number;
  readonly families?: readonly GivenFamily[];
}

export interface GivenFamily {
  readonly name: string;
  readonly type?: MetricType;
  readonly help?: string;
  /** Sample lines as they are stored: with the labels of the group. */
  readonly text: string;
  /** Content that the text cannot express; see FamilyRecord. */
  readonly exact?: Buffer;
  readonly deadlineMs?: number;
}

let pushes = 0;

/** Puts a group into a snapshot, as the feed does after a push; returns its ID. */
export function put(snapshot: Snapshot, given: GivenGroup): string {
  const { kind = 'push', pushedMs = 1, failedMs = 0, untilMs = 0, families = [] } = given;
  const { id, labels } = makeGroup(kind, given.labels);
  const top = stampOf(`1700000000000-${pushes++}`);
  const records = families.map(
    ({ name, type = 'untyped', help = '', text, exact = Buffer.alloc(0), deadlineMs = 0 }): [string, FamilyRecord] => {
      const samples = text.split('\n').length - 1;
      const content = { text: Buffer.from(text), exact };
      return [name, { stamp: top, deadlineMs, arrivalMs: pushedMs, type, samples, help, ...content }];
    },
  );
  const group = { id, kind, labels, order: groupOrder(kind, labels) };
  const record: GroupRecord = { ...group, top, pushedMs, failedMs, untilMs, families: new Map(records) };
  snapshot.set(id, record, 0);
  return id;
}
