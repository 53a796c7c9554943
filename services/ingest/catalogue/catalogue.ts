/**
 * Which group holds which family as what type: enough to check a push against everything stored, at a cost that depends
 * on the push alone.
 *
 * Families are found by the schemas of groups (group-schemas.ts), so a group costs little more than its entry in one.
 * Of a large group only the families that change are looked up.
 *
 * The catalogue is fed from two sides. The change feed brings groups as they are in Redis. What this process has
 * appended counts at once, so that pushes through one process are checked in their order; the feed does not overrule it
 * before it is settled (unsettled-pushes.ts).
 */
import { groupOrder, labelsIn, type GroupKind } from '../../../shared/model/group.ts';
import type { Labels, MetricType } from '../../../shared/model/metric-family.ts';
import { Deadlines, isPast, later, sooner, UNSCHEDULED, type Timed } from '../../../shared/records/deadlines.ts';
import type { GroupRecord } from '../../../shared/records/group-record.ts';
import { recordsIn, type CataloguedPush, type CataloguedRecord } from './catalogued-push.ts';
import { GroupSchemas, type FamilyHolders, type GroupSchema } from './group-schemas.ts';
import { UnsettledPushes } from './unsettled-pushes.ts';

interface Entry extends Timed {
  readonly id: string;
  readonly kind: GroupKind;
  /** Kind and labels as they are stored: a fraction of the memory of the labels, which are seldom needed. */
  readonly order: string;
  schema: GroupSchema;
  /** One for all families, or one each. */
  deadlines: number | Map<string, number>;
  untilMs: number;
}

type Records = readonly (readonly [name: string, CataloguedRecord])[] | ReadonlyMap<string, CataloguedRecord>;

/** A group with more families is large. */
const MANY_FAMILIES = 100;
/** Minimum time between two searches for expired families in a large group, ms per family. */
const EXPIRE_INTERVAL_MS_PER_FAMILY = 0.01;
const MAX_EXPIRE_INTERVAL_MS = 500;

export class Catalogue {
  readonly unsettled = new UnsettledPushes();
  readonly #groups = new Map<string, Entry>();
  readonly #schemas = new GroupSchemas();
  readonly #deadlines = new Deadlines<Entry>();

  ids(): IterableIterator<string> {
    return this.#groups.keys();
  }

  /** Undefined if there is no such group. */
  labelsOf(id: string): Labels | undefined {
    const entry = this.#groups.get(id);
    return entry && labelsIn(entry.order);
  }

  holds(id: string, family: string): boolean {
    return this.#groups.get(id)?.schema.families.has(family) ?? false;
  }

  holders(family: string): readonly FamilyHolders[] {
    return this.#schemas.holders(family);
  }

  /** A group as it is in Redis; undefined = it does not exist. */
  set(id: string, record: GroupRecord | undefined, nowMs: number): void {
    if (this.unsettled.withhold(id)) return;
    this.unsettled.release(id);
    if (record === undefined || isPast(record.untilMs, nowMs)) this.#remove(id);
    else this.#put(id, record, record.families, record.untilMs, nowMs);
  }

  /**
   * A group as it is in Redis, with some of its families; the others are unchanged. Returns false if the whole group is
   * needed: then the caller has to `set` it.
   */
  update(id: string, { families, untilMs }: GroupRecord, nowMs: number): boolean {
    if (this.unsettled.withhold(id, families)) return true;
    const withheld = this.unsettled.release(id);
    const held = this.#groups.get(id);
    if (held === undefined || withheld === 'all') return false;
    if (isPast(untilMs, nowMs)) this.#remove(id);
    else this.#change(held, [...(withheld ?? []), ...families], untilMs, nowMs);
    return true;
  }

  /** This process is about to append the pushes. They count from now on. */
  expect(pushes: readonly CataloguedPush[]): void {
    for (const push of pushes) {
      const { id, groupId, verb, deadlineMs } = push;
      this.unsettled.add(id, groupId);
      const held = this.#groups.get(groupId);
      if (verb === 'DELETE') this.#remove(groupId);
      else if (verb === 'PUT' || held === undefined) this.#put(groupId, push, recordsIn(push), deadlineMs, 0);
      else {
        // It is earlier if the push replaces the family that lives longest. The feed corrects that.
        const untilMs = later(held.untilMs, deadlineMs);
        if (isLarge(held)) this.#change(held, recordsIn(push), untilMs, 0);
        else this.#put(groupId, push, [...recordsOf(held), ...recordsIn(push)], untilMs, 0);
      }
    }
  }

  /** All groups are about to be deleted. */
  clear(): void {
    for (const id of this.#groups.keys()) this.#remove(id);
  }

  expire(nowMs: number): void {
    for (const entry of this.#deadlines.due(nowMs)) {
      const { id, kind, order, untilMs } = entry;
      if (this.#groups.get(id) !== entry) continue;
      if (isPast(untilMs, nowMs)) this.#remove(id);
      else if (isLarge(entry)) this.#expireFamilies(entry, nowMs);
      else this.#put(id, { kind, labels: labelsIn(order), order }, recordsOf(entry), untilMs, nowMs);
    }
  }

  /** If `records` contains a family twice, the last one counts. */
  #put(
    id: string,
    { kind, labels, order }: Pick<GroupRecord, 'kind' | 'labels'> & { readonly order?: string },
    records: Records,
    untilMs: number,
    nowMs: number,
  ): void {
    const held = this.#groups.get(id);
    if (held !== undefined && isRenewal(held.schema, records, untilMs)) {
      held.deadlines = held.untilMs = untilMs;
      this.#deadlines.schedule(held, untilMs);
      return;
    }
    const families = new Map<string, MetricType>();
    const deadlines = new Map<string, number>();
    for (const [name, { type, samples, deadlineMs }] of records) {
      if (samples === 0 || isPast(deadlineMs, nowMs)) {
        families.delete(name);
        deadlines.delete(name);
        continue;
      }
      families.set(name, type);
      deadlines.set(name, deadlineMs);
    }
    const schema = this.#schemas.join(id, held?.schema, kind, labels, families);
    const entry = held ?? {
      id,
      kind,
      order: order ?? groupOrder(kind, labels),
      schema,
      deadlines: 0,
      untilMs,
      scheduledMs: UNSCHEDULED,
    };
    if (held === undefined) this.#groups.set(id, entry);
    entry.schema = schema;
    entry.untilMs = untilMs;
    let dueMs = untilMs;
    const first = deadlines.values().next().value ?? 0;
    entry.deadlines = first;
    for (const ms of deadlines.values()) {
      dueMs = sooner(dueMs, ms);
      if (ms !== first) entry.deadlines = deadlines;
    }
    this.#deadlines.schedule(entry, dueMs);
  }

  /** Replaces or adds these families of a group. */
  #change(entry: Entry, records: Records, untilMs: number, nowMs: number): void {
    let dueMs = untilMs;
    for (const [name, { type, samples, deadlineMs }] of records) {
      if (samples === 0 || isPast(deadlineMs, nowMs)) {
        this.#drop(entry, name);
        continue;
      }
      if (entry.schema.families.get(name) !== type)
        entry.schema = this.#schemas.change(entry.id, entry.schema, name, type);
      if (entry.deadlines !== deadlineMs) separateDeadlines(entry).set(name, deadlineMs);
      dueMs = sooner(dueMs, deadlineMs);
    }
    entry.untilMs = untilMs;
    this.#deadlines.schedule(entry, dueMs);
  }

  #drop(entry: Entry, name: string): void {
    if (!entry.schema.families.has(name)) return;
    entry.schema = this.#schemas.change(entry.id, entry.schema, name, undefined);
    if (typeof entry.deadlines !== 'number') entry.deadlines.delete(name);
  }

  #expireFamilies(entry: Entry, nowMs: number): void {
    const { families } = entry.schema;
    let dueMs = 0;
    for (const name of families.keys()) {
      const deadlineMs = deadlineOf(entry, name);
      if (isPast(deadlineMs, nowMs)) this.#drop(entry, name);
      else dueMs = sooner(dueMs, deadlineMs);
    }
    const intervalMs = Math.min(MAX_EXPIRE_INTERVAL_MS, families.size * EXPIRE_INTERVAL_MS_PER_FAMILY);
    if (dueMs !== 0) dueMs = Math.max(dueMs, nowMs + intervalMs);
    this.#deadlines.schedule(entry, sooner(dueMs, entry.untilMs));
  }

  #remove(id: string): void {
    const held = this.#groups.get(id);
    if (held === undefined) return;
    this.#groups.delete(id);
    this.#schemas.leave(id, held.schema);
  }
}

function isLarge({ schema }: Entry): boolean {
  return schema.families.size > MANY_FAMILIES;
}

/** Whether only deadlines change, as in most pushes: the families are those of the schema, with the same deadline. */
function isRenewal({ families }: GroupSchema, records: Records, untilMs: number): boolean {
  let left = families.size;
  for (const [name, { type, samples, deadlineMs }] of records) {
    if (samples === 0 || deadlineMs !== untilMs || families.get(name) !== type) return false;
    left--;
  }
  return left === 0;
}

function recordsOf(entry: Entry): [name: string, CataloguedRecord][] {
  return Array.from(entry.schema.families, ([name, type]) => [
    name,
    { type, samples: 1, deadlineMs: deadlineOf(entry, name) },
  ]);
}

function deadlineOf({ deadlines }: Entry, family: string): number {
  return typeof deadlines === 'number' ? deadlines : (deadlines.get(family) ?? 0);
}

/** From now on each family has a deadline of its own. */
function separateDeadlines(entry: Entry): Map<string, number> {
  const { deadlines, schema } = entry;
  if (typeof deadlines !== 'number') return deadlines;
  entry.deadlines = new Map(Array.from(schema.families.keys(), (name) => [name, deadlines]));
  return entry.deadlines;
}
