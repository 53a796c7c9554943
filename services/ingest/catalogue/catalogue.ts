/**
 * Which group holds which family as what type: enough to check a push against everything stored, at a cost that depends on the
 * push alone.
 *
 * Families are found by the shapes of groups (shapes.ts), so a group costs little more than its entry in one. Of a group with many families
 * only what changes is looked at.
 *
 * Fed twice. The change feed brings groups as they are in Redis. And what this node has appended counts at once, so that
 * requests through one node are checked in their order; until such a push is settled, the feed does not overrule it.
 */
import { mergeLabels } from '../../../shared/model/group-labels.ts';
import { labelSetsOf } from '../../../shared/exposition/check/label-sets.ts';
import type { Labels, MetricType } from '../../../shared/model/metric-family.ts';
import { GatewayError } from '../../../shared/errors.ts';
import { formatSelector } from '../../../shared/model/format-selector.ts';
import { groupOrder, labelsIn, makeGroup, type GroupKind } from '../../../shared/model/group.ts';
import type { GroupVerb, NamedFamily } from '../../../shared/records/push.ts';
import { Deadlines, UNSCHEDULED, type Timed } from '../../../shared/records/deadlines.ts';
import type { GroupRecord } from '../../../shared/records/group-record.ts';
import { addTo, namesKey, Shapes, type Holders, type Shape } from '../../../shared/records/group-schemas.ts';

interface Entry extends Timed {
  readonly id: string;
  readonly kind: GroupKind;
  /** Kind and labels as they are stored: a fraction of the memory of the labels, which are seldom needed. */
  readonly order: string;
  shape: Shape;
  /** One for all families, or one each; ms, 0 = never. */
  deadlines: number | Map<string, number>;
  untilMs: number;
}

/** What the catalogue knows of a family in a group. */
interface CataloguedRecord {
  readonly type: MetricType;
  readonly samples: number;
  readonly deadlineMs: number;
}

/** A push as the catalogue sees it: what it does to one group. */
export interface CataloguedPush {
  readonly id: string;
  readonly verb: GroupVerb;
  readonly kind: GroupKind;
  readonly labels: Labels;
  readonly groupId: string;
  readonly families: ReadonlyMap<string, CataloguedFamily>;
  readonly deadlineMs: number;
}

export interface CataloguedFamily extends NamedFamily {
  /** Of all its series; read from the content where they are not given. */
  readonly labelSets?: readonly Labels[];
}

/** Another group that may hold a series the push brings too; only its content can tell. */
export interface Suspect {
  readonly groupId: string;
  readonly groupLabels: Labels;
  readonly family: string;
  /** Full label sets of the push's series that would be the other group's, too. */
  readonly series: readonly Labels[];
}

/** A group with more families is large. */
const MANY_FAMILIES = 100;
/** Expired families of a large group are looked for no sooner than after so many ms for each family, and at most after so many. */
const LOOK_MS = 0.01;
const LOOK_MAX_MS = 500;

export class Catalogue {
  readonly #groups = new Map<string, Entry>();
  readonly #shapes = new Shapes();
  readonly #deadlines = new Deadlines<Entry>();
  /** Pushes of this node that are not settled yet, by group. */
  readonly #unsettled = new Map<string, Set<string>>();
  /** What the feed brought of groups with unsettled pushes: families, or all of the group, which is not kept. */
  readonly #missed = new Map<string, Map<string, CataloguedRecord> | 'all'>();
  readonly #groupsOf = new Map<string, string[]>();
  readonly #waiting = new Map<string, (() => void)[]>();

  get size(): number {
    return this.#groups.size;
  }

  ids(): IterableIterator<string> {
    return this.#groups.keys();
  }

  /** A group as it is in Redis; undefined = it does not exist. */
  set(id: string, record: GroupRecord | undefined, nowMs: number): void {
    if (this.#unsettled.has(id)) {
      this.#missed.set(id, 'all');
      return;
    }
    this.#missed.delete(id);
    if (record === undefined || isPast(record.untilMs, nowMs)) {
      this.#remove(id);
      return;
    }
    const held = this.#groups.get(id);
    if (held !== undefined && this.#isRenewed(held, record, nowMs)) {
      this.#renew(held, record.untilMs);
      return;
    }
    const families = new Map<string, MetricType>();
    const deadlines = new Map<string, number>();
    for (const [name, family] of record.families) {
      if (family.samples === 0 || isPast(family.deadlineMs, nowMs)) continue;
      families.set(name, family.type);
      deadlines.set(name, family.deadlineMs);
    }
    this.#put(id, record, families, deadlines, record.untilMs);
  }

  /**
   * A group as it is in Redis, with some of its families; the others are as they were. Returns whether that was enough to go by; if not, the
   * group has to be set.
   */
  update(id: string, { families, untilMs }: GroupRecord, nowMs: number): boolean {
    const missed = this.#missed.get(id);
    if (this.#unsettled.has(id)) {
      if (missed === 'all') return true;
      const kept = missed ?? new Map<string, CataloguedRecord>();
      for (const [name, { type, samples, deadlineMs }] of families) kept.set(name, { type, samples, deadlineMs });
      this.#missed.set(id, kept);
      return true;
    }
    this.#missed.delete(id);
    const held = this.#groups.get(id);
    if (held === undefined || missed === 'all') return false;
    if (isPast(untilMs, nowMs)) {
      this.#remove(id);
      return true;
    }
    for (const [name, record] of missed ?? []) this.#change(held, name, record, nowMs);
    for (const [name, record] of families) this.#change(held, name, record, nowMs);
    this.#keepUntil(held, untilMs);
    return true;
  }

  /** What this node is about to append. Counts from now on; `settled` or `abandoned` must follow. */
  expect(pushes: readonly CataloguedPush[]): void {
    for (const push of pushes) {
      const { groupId: id, verb, kind, labels, deadlineMs } = push;
      addTo(this.#unsettled, id, push.id);
      const groups = this.#groupsOf.get(push.id);
      if (groups === undefined) this.#groupsOf.set(push.id, [id]);
      else groups.push(id);

      if (verb === 'DELETE') {
        this.#remove(id);
        continue;
      }
      const before = this.#groups.get(id);
      if (verb === 'PUT' && before !== undefined && hasFamilies(before.shape, push.families)) {
        this.#renew(before, deadlineMs);
        continue;
      }
      if (verb === 'POST' && before !== undefined && isLarge(before.shape)) {
        for (const { name, content } of push.families.values()) {
          this.#change(before, name, { type: content.type, samples: content.samples, deadlineMs }, 0);
        }
        // It may be sooner, if this replaces what lives longest. The feed will tell.
        this.#keepUntil(before, later(before.untilMs, deadlineMs));
        continue;
      }
      const held = verb === 'POST' ? before : undefined;
      const families = new Map(held?.shape.families);
      const deadlines = new Map(
        held === undefined ? [] : [...families.keys()].map((name) => [name, deadlineIn(held, name)]),
      );
      for (const { name, content } of push.families.values()) {
        const { type, samples } = content;
        if (samples === 0) {
          families.delete(name);
          continue;
        }
        families.set(name, type);
        deadlines.set(name, deadlineMs);
      }
      const untilMs =
        held === undefined || families.size > 0 ? latest(families.keys(), deadlines, deadlineMs) : held.untilMs;
      this.#put(id, { kind, labels }, families, deadlines, untilMs);
    }
  }

  /** The change feed named the push; the state of its groups follows. Returns its groups, none if it is not this node's. */
  settled(pushId: string): readonly string[] {
    const groups = this.#groupsOf.get(pushId) ?? [];
    this.#groupsOf.delete(pushId);
    for (const id of groups) {
      const unsettled = this.#unsettled.get(id);
      unsettled?.delete(pushId);
      if (unsettled?.size !== 0) continue;
      this.#unsettled.delete(id);
      for (const done of this.#waiting.get(id) ?? []) done();
      this.#waiting.delete(id);
    }
    return groups;
  }

  /** All groups are about to be deleted: forgets them. */
  clear(): void {
    for (const id of this.#groups.keys()) this.#remove(id);
  }

  /** Stops expecting what was not settled for these groups: it may be lost. */
  forget(concerns: (groupId: string) => boolean): void {
    for (const [id, pushes] of this.#unsettled) if (concerns(id)) for (const pushId of pushes) this.settled(pushId);
  }

  /** Resolves when no push of this node to the group is unsettled any more. */
  async whenSettled(groupId: string): Promise<void> {
    if (!this.#unsettled.has(groupId)) return;
    await new Promise<void>((resolve) => {
      const waiting = this.#waiting.get(groupId);
      if (waiting === undefined) this.#waiting.set(groupId, [resolve]);
      else waiting.push(resolve);
    });
  }

  /**
   * Throws `push_inconsistent` when the push contradicts what other groups hold, naming one of them. Returns the groups that
   * may hold one of its series; none in most fleets.
   */
  check(push: CataloguedPush, nowMs: number): Suspect[] {
    this.expire(nowMs);
    if (push.kind === 'push') this.#checkTwin(push);
    const suspects: Suspect[] = [];
    for (const family of push.families.values()) {
      const { name, content } = family;
      if (content.samples === 0) continue;
      this.#checkType(push, name, content.type);
      this.#checkSuffixes(push, name, content.type);
      suspects.push(...this.#suspects(push, family));
    }
    return suspects;
  }

  /** `instance=""` and no instance are two groups, yet their push times would be the same series: the other one, if it exists. */
  twinOf(labels: Labels): Labels | undefined {
    const instance = labels.find(([name]) => name === 'instance');
    if (instance !== undefined && instance[1] !== '') return undefined;
    const twin = instance === undefined ? mergeLabels([], labels) : labels.filter(([name]) => name !== 'instance');
    return this.#labelsOf(makeGroup('push', twin).id);
  }

  /** Forgets what has expired. */
  expire(nowMs: number): void {
    for (const entry of this.#deadlines.due(nowMs)) {
      const { id } = entry;
      if (this.#groups.get(id) !== entry) continue;
      if (isPast(entry.untilMs, nowMs)) {
        this.#remove(id);
        continue;
      }
      if (isLarge(entry.shape)) {
        this.#expireFamilies(entry, nowMs);
        continue;
      }
      const families = new Map(entry.shape.families);
      const deadlines = new Map<string, number>();
      for (const name of families.keys()) {
        const deadlineMs = deadlineIn(entry, name);
        if (isPast(deadlineMs, nowMs)) families.delete(name);
        else deadlines.set(name, deadlineMs);
      }
      this.#put(id, { ...entry, labels: labelsIn(entry.order) }, families, deadlines, entry.untilMs);
    }
  }

  #checkTwin({ labels }: CataloguedPush): void {
    const twin = this.twinOf(labels);
    if (twin === undefined) return;
    refuse(
      `group ${formatSelector(labels)} would have the same push_time_seconds series as group ${formatSelector(twin)}`,
    );
  }

  #checkType(push: CataloguedPush, name: string, type: MetricType): void {
    const holder = this.#holder(name, push, (held) => held !== type);
    if (holder !== undefined) {
      refuse(
        `metric family ${JSON.stringify(name)} is pushed as ${type}, but group ${formatSelector(holder.labels)} holds it as ${holder.type}`,
      );
    }
  }

  /** `x_sum` beside a summary or histogram `x` would be the same series twice. */
  #checkSuffixes(push: CataloguedPush, name: string, type: MetricType): void {
    for (const [suffix, compound] of SUFFIXES) {
      if (compound.has(type)) {
        const holder = this.#holder(name + suffix, push, () => true);
        if (holder !== undefined) refuse(clash(name + suffix, name, type, holder.labels));
      }
      if (!name.endsWith(suffix)) continue;
      const base = name.slice(0, -suffix.length);
      const holder = this.#holder(base, push, (held) => compound.has(held));
      if (holder !== undefined) refuse(clash(name, base, holder.type, holder.labels));
    }
  }

  /** A group that holds the family after the push, as a type that `matches`. */
  #holder(
    name: string,
    push: CataloguedPush,
    matches: (type: MetricType) => boolean,
  ): { labels: Labels; type: MetricType } | undefined {
    // Its own families are replaced: all of them by a PUT, those of the same name by a POST.
    const ownCounts = push.verb === 'POST' && !push.families.has(name);
    for (const { type, shapes } of this.#shapes.holding(name)) {
      if (!matches(type)) continue;
      for (const { groups } of shapes) {
        for (const id of groups) {
          if (id === push.groupId && !ownCounts) continue;
          return { labels: this.#labelsOf(id) ?? [], type };
        }
      }
    }
    return undefined;
  }

  /**
   * Two groups can hold the same series only if their grouping label names differ. For other names in use, which group that
   * would be follows from the series itself.
   */
  #suspects(push: CataloguedPush, { name, content, labelSets }: CataloguedFamily): Suspect[] {
    const ownNames = namesKey(push.kind, push.labels);
    const others = new Map<string, Holders>();
    for (const one of this.#shapes.holding(name)) if (one.namesKey !== ownNames) others.set(one.namesKey, one);
    if (others.size === 0) return [];
    const found = new Map<string, { labels: Labels; series: Labels[] }>();
    for (const labels of labelSets ?? labelSetsOf(name, content.type, content.text)) {
      const values = new Map(labels);
      for (const { kind, labelNames } of others.values()) {
        const grouping: [string, string][] = [];
        if (kind === 'ingest') grouping.push(...values);
        else for (const label of labelNames) grouping.push([label, values.get(label) ?? '']);
        if (kind === 'push' && !labelNames.every((label) => values.has(label))) continue;
        const { id } = makeGroup(kind, grouping);
        const entry = this.#groups.get(id);
        if (entry === undefined || id === push.groupId || !entry.shape.families.has(name)) continue;
        const suspect = found.get(id);
        if (suspect === undefined) found.set(id, { labels: labelsIn(entry.order), series: [labels] });
        else suspect.series.push(labels);
      }
    }
    return [...found].map(([groupId, suspect]) => ({
      groupId,
      groupLabels: suspect.labels,
      family: name,
      series: suspect.series,
    }));
  }

  /** What most pushes come to: the same families as before, with one new deadline for all. */
  #renew(entry: Entry, deadlineMs: number): void {
    entry.deadlines = deadlineMs;
    entry.untilMs = deadlineMs;
    if (deadlineMs !== 0) this.#deadlines.schedule(entry, deadlineMs);
  }

  #isRenewed({ shape }: Entry, { families, untilMs }: GroupRecord, nowMs: number): boolean {
    if (families.size !== shape.families.size || isPast(untilMs, nowMs)) return false;
    for (const [name, { type, samples, deadlineMs }] of families) {
      if (samples === 0 || deadlineMs !== untilMs || shape.families.get(name) !== type) return false;
    }
    return true;
  }

  #put(
    id: string,
    { kind, labels, order }: Pick<GroupRecord, 'kind' | 'labels'> & Partial<Pick<GroupRecord, 'order'>>,
    families: ReadonlyMap<string, MetricType>,
    deadlines: Map<string, number>,
    untilMs: number,
  ): void {
    const held = this.#groups.get(id);
    const shape = this.#shapes.join(id, held?.shape, kind, labels, families);
    let dueMs = untilMs === 0 ? Infinity : untilMs;
    let first: number | undefined;
    let areSame = true;
    for (const ms of deadlines.values()) {
      if (ms !== 0 && ms < dueMs) dueMs = ms;
      first ??= ms;
      areSame &&= ms === first;
    }
    const compact = areSame ? (first ?? 0) : deadlines;
    const entry = held ?? {
      id,
      kind,
      order: order ?? groupOrder(kind, labels),
      shape,
      deadlines: compact,
      untilMs,
      scheduledMs: UNSCHEDULED,
    };
    if (held === undefined) this.#groups.set(id, entry);
    entry.shape = shape;
    entry.deadlines = compact;
    entry.untilMs = untilMs;
    if (dueMs !== Infinity) this.#deadlines.schedule(entry, dueMs);
  }

  /** One family of a group is this now. */
  #change(entry: Entry, name: string, { type, samples, deadlineMs }: CataloguedRecord, nowMs: number): void {
    if (samples === 0 || isPast(deadlineMs, nowMs)) {
      this.#drop(entry, name);
      return;
    }
    if (entry.shape.families.get(name) !== type) entry.shape = this.#shapes.change(entry.id, entry.shape, name, type);
    if (entry.deadlines !== deadlineMs) deadlinesOf(entry).set(name, deadlineMs);
    if (deadlineMs !== 0) this.#deadlines.schedule(entry, deadlineMs);
  }

  #drop(entry: Entry, name: string): void {
    if (!entry.shape.families.has(name)) return;
    entry.shape = this.#shapes.change(entry.id, entry.shape, name, undefined);
    if (typeof entry.deadlines !== 'number') entry.deadlines.delete(name);
  }

  #keepUntil(entry: Entry, untilMs: number): void {
    entry.untilMs = untilMs;
    if (untilMs !== 0) this.#deadlines.schedule(entry, untilMs);
  }

  #expireFamilies(entry: Entry, nowMs: number): void {
    let dueMs = Infinity;
    const { families } = entry.shape;
    const lookAgainMs = nowMs + Math.min(LOOK_MAX_MS, families.size * LOOK_MS);
    for (const name of families.keys()) {
      const deadlineMs = deadlineIn(entry, name);
      if (isPast(deadlineMs, nowMs)) this.#drop(entry, name);
      else if (deadlineMs !== 0 && deadlineMs < dueMs) dueMs = deadlineMs;
    }
    dueMs = Math.max(dueMs, lookAgainMs);
    if (entry.untilMs !== 0) dueMs = Math.min(dueMs, entry.untilMs);
    if (dueMs !== Infinity) this.#deadlines.schedule(entry, dueMs);
  }

  #labelsOf(id: string): Labels | undefined {
    const entry = this.#groups.get(id);
    return entry && labelsIn(entry.order);
  }

  #remove(id: string): void {
    const held = this.#groups.get(id);
    if (held === undefined) return;
    this.#groups.delete(id);
    this.#shapes.leave(id, held.shape);
  }
}

function hasFamilies(shape: Shape, families: CataloguedPush['families']): boolean {
  if (families.size !== shape.families.size) return false;
  for (const { name, content } of families.values()) {
    if (content.samples === 0 || shape.families.get(name) !== content.type) return false;
  }
  return true;
}

const COMPOUND: ReadonlySet<MetricType> = new Set(['summary', 'histogram', 'gauge_histogram']);
const WITH_BUCKETS: ReadonlySet<MetricType> = new Set(['histogram', 'gauge_histogram']);
const SUFFIXES: readonly (readonly [string, ReadonlySet<MetricType>])[] = [
  ['_sum', COMPOUND],
  ['_count', COMPOUND],
  ['_bucket', WITH_BUCKETS],
];

function clash(name: string, base: string, type: MetricType, holder: Labels): string {
  return `metric family ${JSON.stringify(name)} collides with ${type} ${JSON.stringify(base)} because of group ${formatSelector(holder)}`;
}

function refuse(reason: string): never {
  throw new GatewayError('push_inconsistent', reason);
}

function isLarge({ families }: Shape): boolean {
  return families.size > MANY_FAMILIES;
}

/** Of each family, from now on. */
function deadlinesOf(entry: Entry): Map<string, number> {
  const { deadlines, shape } = entry;
  if (typeof deadlines !== 'number') return deadlines;
  entry.deadlines = new Map(Array.from(shape.families.keys(), (name) => [name, deadlines]));
  return entry.deadlines;
}

/** Of two deadlines. */
function later(a: number, b: number): number {
  return a === 0 || b === 0 ? 0 : Math.max(a, b);
}

function deadlineIn(entry: Entry, family: string): number {
  return typeof entry.deadlines === 'number' ? entry.deadlines : (entry.deadlines.get(family) ?? 0);
}

function latest(names: Iterable<string>, deadlines: ReadonlyMap<string, number>, empty: number): number {
  let last: number | undefined;
  for (const name of names) {
    const deadline = deadlines.get(name) ?? 0;
    if (deadline === 0) return 0;
    last = Math.max(last ?? 0, deadline);
  }
  return last ?? empty;
}

function isPast(deadlineMs: number, nowMs: number): boolean {
  return deadlineMs !== 0 && deadlineMs <= nowMs;
}
