/**
 * Pushes that this process has appended, or is about to, and whose outcome the change feed has not named yet. What the
 * feed brings of their groups in the meantime may be older than these pushes, so it is withheld until all pushes to the
 * group are settled.
 */
import type { GroupRecord } from '../../../shared/records/group-record.ts';
import type { CataloguedRecord } from './catalogued-push.ts';

interface UnsettledGroup {
  readonly pushIds: Set<string>;
  readonly waiting: (() => void)[];
}

/** Families, or `all`: the whole group was withheld, and its content is not kept. */
export type Withheld = ReadonlyMap<string, CataloguedRecord> | 'all';

export class UnsettledPushes {
  readonly #groups = new Map<string, UnsettledGroup>();
  readonly #groupsOf = new Map<string, string[]>();
  /** By group. Kept after the last push is settled, until the feed brings the group again. */
  readonly #withheld = new Map<string, Map<string, CataloguedRecord> | 'all'>();

  /** Every push must be settled or forgotten in the end. */
  add(pushId: string, groupId: string): void {
    const group = this.#groups.get(groupId);
    if (group === undefined) this.#groups.set(groupId, { pushIds: new Set([pushId]), waiting: [] });
    else group.pushIds.add(pushId);
    const groups = this.#groupsOf.get(pushId);
    if (groups === undefined) this.#groupsOf.set(pushId, [groupId]);
    else groups.push(groupId);
  }

  /** Withholds these families of the group, or all of it. Returns false if no push to the group is unsettled. */
  withhold(groupId: string, families?: GroupRecord['families']): boolean {
    if (!this.#groups.has(groupId)) return false;
    const before = this.#withheld.get(groupId);
    if (families === undefined) this.#withheld.set(groupId, 'all');
    else if (before !== 'all') {
      const all = before ?? new Map<string, CataloguedRecord>();
      for (const [name, { type, samples, deadlineMs }] of families) all.set(name, { type, samples, deadlineMs });
      this.#withheld.set(groupId, all);
    }
    return true;
  }

  /** Returns what was withheld of the group, and forgets it. */
  release(groupId: string): Withheld | undefined {
    const withheld = this.#withheld.get(groupId);
    this.#withheld.delete(groupId);
    return withheld;
  }

  /** The push has an outcome, or none is expected. Returns its groups; none if another process appended it. */
  settle(pushId: string): readonly string[] {
    const groupIds = this.#groupsOf.get(pushId) ?? [];
    this.#groupsOf.delete(pushId);
    for (const id of groupIds) {
      const group = this.#groups.get(id);
      group?.pushIds.delete(pushId);
      if (group?.pushIds.size !== 0) continue;
      this.#groups.delete(id);
      for (const resolve of group.waiting) resolve();
    }
    return groupIds;
  }

  /** Stops waiting for the outcomes of the pushes to these groups, because they may be lost. */
  forget(isConcerned: (groupId: string) => boolean): void {
    for (const [id, { pushIds }] of this.#groups) {
      if (isConcerned(id)) for (const pushId of pushIds) this.settle(pushId);
    }
  }

  /** Resolves when no push to the group is unsettled. */
  async whenSettled(groupId: string): Promise<void> {
    const group = this.#groups.get(groupId);
    if (group !== undefined) await new Promise<void>((resolve) => group.waiting.push(resolve));
  }
}
