/** Pushes and families in the form that the catalogue needs. */
import type { GroupKind } from '../../../shared/model/group.ts';
import type { Labels } from '../../../shared/model/metric-family.ts';
import type { FamilyRecord } from '../../../shared/records/family-record.ts';
import type { GroupVerb, NamedFamily } from '../../../shared/records/push.ts';

/** What a push does to one group. */
export interface CataloguedPush {
  /** ID of the push, the same for each of its groups. */
  readonly id: string;
  readonly verb: GroupVerb;
  readonly kind: GroupKind;
  readonly labels: Labels;
  readonly groupId: string;
  readonly families: ReadonlyMap<string, CataloguedFamily>;
  readonly deadlineMs: number;
}

export interface CataloguedFamily extends NamedFamily {
  /** Label sets of all its series; if they are missing, they are read from the content. */
  readonly labelSets?: readonly Labels[];
}

/** What the catalogue needs to know of a family in a group. */
export type CataloguedRecord = Pick<FamilyRecord, 'type' | 'samples' | 'deadlineMs'>;

/** The families of the push as they will be in its group. */
export function recordsIn({ families, deadlineMs }: CataloguedPush): [name: string, CataloguedRecord][] {
  return Array.from(families.values(), ({ name, content: { type, samples } }) => [name, { type, samples, deadlineMs }]);
}
