/**
 * All live groups of the fleet as one exposition, kept ready to send. Fed with groups as they are in Redis, or with
 * what changed of them. Pure.
 *
 *     group    its families with their deadlines, and its push times (groups.ts, push-times.ts)
 *     family   which groups hold it, and as what type (families.ts, family-holders.ts)
 *     text     one chunk for the header of each family, and one for each family in each group, ordered by family,
 *              then group (exposed-text.ts)
 *
 * The exposition is valid whatever was pushed. Ingest refuses what contradicts other groups; what passes nevertheless
 * (through two ingest processes within milliseconds, or with checks disabled) is kept out here, by rules that are the
 * same in every reader:
 *
 *     type        another group pushed the family earlier (by stamp) as another type
 *     duplicate   another group pushed the same series earlier
 *     clash       the family has a name that a summary or a histogram takes: x_sum, x_count or x_bucket
 *
 * Families with the names of push times are ignored. Versions before 0.2 accepted them on /ingest, and they may still
 * be stored.
 */
import { groupingNames, hasNames } from '../../../shared/consistency/series-owners.ts';
import { isPushTime } from '../../../shared/model/group-labels.ts';
import type { GroupKind } from '../../../shared/model/group.ts';
import type { Labels } from '../../../shared/model/metric-family.ts';
import { Deadlines, isPast, sooner } from '../../../shared/records/deadlines.ts';
import type { GroupRecord } from '../../../shared/records/group-record.ts';
import type { ReadableText } from '../text/text-chunks.ts';
import { ExposedText } from './exposed-text.ts';
import { Families } from './families.ts';
import { SnapshotGroup, type FamilyHead, type Holding, type KeptOut } from './groups.ts';
import { pushTimeHead, PushTimes } from './push-times.ts';

export { SnapshotGroup } from './groups.ts';

export interface SnapshotStats {
  readonly groups: number;
  readonly families: number;
  readonly series: number;
  readonly bytes: number;
  readonly keptOut: number;
}

export interface KeptOutFamily {
  readonly family: string;
  readonly groupId: string;
  readonly kind: GroupKind;
  readonly labels: Labels;
  readonly reason: KeptOut;
}

export class Snapshot {
  readonly #groups = new Map<string, SnapshotGroup>();
  readonly #text: ExposedText;
  readonly #families: Families;
  readonly #pushTimes: PushTimes;
  readonly #deadlines = new Deadlines<SnapshotGroup>();
  #latestNames = groupingNames('ingest', []);
  #membership = 0;

  constructor() {
    this.#text = new ExposedText(this.#groups, (name, order) => {
      return this.#families.get(name)?.get(order) ?? pushTimeHead(name);
    });
    this.#families = new Families(this.#text);
    this.#pushTimes = new PushTimes(this.#groups, this.#text);
  }

  /** Replaces what is known of a group; undefined = it does not exist. */
  set(id: string, record: GroupRecord | undefined, nowMs: number): void {
    const held = this.#groups.get(id);
    if (record === undefined || isPast(record.untilMs, nowMs)) {
      if (held !== undefined) this.#remove(held);
      return;
    }
    const group = held ?? this.#add(id, record);
    for (const [name, holding] of group.holdings) {
      const next = record.families.get(name);
      if (next === undefined || isPast(next.deadlineMs, nowMs)) this.#families.release(holding);
    }
    this.#take(group, record, nowMs);
  }

  /**
   * Updates some families of a group, and its times; its other families are unchanged. Returns false if the group is
   * not held: then the caller has to `set` it.
   */
  update(id: string, record: GroupRecord, nowMs: number): boolean {
    const group = this.#groups.get(id);
    if (group === undefined) return false;
    if (isPast(record.untilMs, nowMs)) {
      this.#remove(group);
      return true;
    }
    for (const [name, { deadlineMs }] of record.families) {
      const holding = isPast(deadlineMs, nowMs) ? group.holdings.get(name) : undefined;
      if (holding !== undefined) this.#families.release(holding);
    }
    this.#take(group, record, nowMs);
    return true;
  }

  /** Removes what has expired, until `isOver`; returns whether that is all. Call it before anything is read. */
  expire(nowMs: number, isOver = () => false): boolean {
    this.#text.expire(nowMs);
    for (const group of this.#deadlines.due(nowMs)) {
      this.#expireGroup(group, nowMs);
      if (isOver()) return false;
    }
    return true;
  }

  #expireGroup(group: SnapshotGroup, nowMs: number): void {
    if (this.#groups.get(group.id) !== group) return;
    const { untilMs } = group.record;
    if (isPast(untilMs, nowMs)) {
      this.#remove(group);
      return;
    }
    let dueMs = untilMs;
    for (const holding of group.holdings.values()) {
      if (isPast(holding.deadlineMs, nowMs)) this.#families.release(holding);
      else dueMs = sooner(dueMs, holding.deadlineMs);
    }
    this.#deadlines.schedule(group, dueMs);
  }

  ids(): IterableIterator<string> {
    return this.#groups.keys();
  }

  groups(): IterableIterator<SnapshotGroup> {
    return this.#groups.values();
  }

  get(id: string): SnapshotGroup | undefined {
    return this.#groups.get(id);
  }

  /** Changes whenever a group comes or goes: until then, what was derived from the labels of groups stays valid. */
  get membership(): number {
    return this.#membership;
  }

  /** Changes whenever the exposition does. */
  get version(): number {
    return this.#text.version;
  }

  hasFamily(name: string): boolean {
    return this.#families.get(name) !== undefined || this.#pushTimes.families.some((time) => time.name === name);
  }

  /** What is exposed of the families that the text does not express completely, by family and order of the group. */
  exact(): ReadonlyMap<string, ReadonlyMap<string, FamilyHead>> {
    return this.#families.exact();
  }

  /** All families of a group, its push times among them. */
  holdingsOf(group: SnapshotGroup): Holding[] {
    return [...group.holdings.values(), ...this.#pushTimes.holdings([group], this.#pushTimes.families)];
  }

  /** The sample lines of one family in one group, whether it is exposed or kept out. */
  textOf(holding: Holding): Buffer {
    return this.#families.textOf(holding);
  }

  /** The exposition. */
  get text(): ReadableText {
    return this.#text.whole;
  }

  /** See ReadableText. */
  applyPending(isOver: () => boolean): number {
    return this.#text.whole.applyPending(isOver);
  }

  /**
   * Partition `i` of `n` of the exposition, for scrapers that share it; see partitioned-text.ts. Undefined if it is not
   * kept.
   */
  async partition(i: number, n: number, nowMs: number): Promise<ReadableText | undefined> {
    return await this.#text.partition(i, n, nowMs);
  }

  /** The same, if it is kept already. */
  keptPartition(i: number, n: number): ReadableText | undefined {
    return this.#text.kept(i, n);
  }

  /** See ExposedText. */
  lateTexts(bytes: number): ReadableText[] {
    return this.#text.late(bytes);
  }

  get stats(): SnapshotStats {
    return {
      groups: this.#groups.size,
      families: this.#families.size + this.#pushTimes.families.length,
      series: this.#families.series + this.#pushTimes.series,
      bytes: this.#families.bytes + this.#pushTimes.bytes,
      keptOut: this.#families.keptOut.size + this.#pushTimes.keptOut,
    };
  }

  /** What is kept out of the exposition, and why: at most `max` families of groups. */
  keptOut(max: number): KeptOutFamily[] {
    const found: KeptOutFamily[] = [];
    for (const all of [this.#families.keptOut, this.#pushTimes.allKeptOut()]) {
      for (const { group, name, reason } of all) {
        if (found.length >= max) return found;
        const { kind } = group.record;
        found.push({ family: name, groupId: group.id, kind, labels: group.labels, reason: reason ?? 'type' });
      }
    }
    return found;
  }

  #add(id: string, record: GroupRecord): SnapshotGroup {
    const { kind, labels, order } = record;
    // One object for consecutive groups with the same names.
    if (!hasNames(kind, labels, this.#latestNames)) this.#latestNames = groupingNames(kind, labels);
    const group = new SnapshotGroup(id, order, this.#latestNames, withoutFamilies(record));
    this.#groups.set(id, group);
    this.#membership++;
    if (kind === 'push') this.#pushTimes.add(group, labels);
    return group;
  }

  #take(group: SnapshotGroup, record: GroupRecord, nowMs: number): void {
    const before = group.record;
    group.record = withoutFamilies(record);
    let dueMs = record.untilMs;
    for (const [name, family] of record.families) {
      if (isPast(family.deadlineMs, nowMs) || isPushTime(name)) continue;
      dueMs = sooner(dueMs, family.deadlineMs);
      // The stamp names the push that wrote the family, so the same stamp means the same content.
      if (group.holdings.get(name)?.stamp !== family.stamp) this.#families.hold(group, name, family);
    }
    if (record.kind === 'push') this.#pushTimes.update(group, before);
    this.#deadlines.schedule(group, dueMs);
  }

  #remove(group: SnapshotGroup): void {
    for (const holding of group.holdings.values()) this.#families.release(holding);
    if (group.record.kind === 'push') this.#pushTimes.delete(group);
    this.#groups.delete(group.id);
    this.#membership++;
  }
}

/** The families are kept as holdings of the group. */
function withoutFamilies({ kind, top, pushedMs, failedMs, untilMs }: GroupRecord): SnapshotGroup['record'] {
  return { kind, top, pushedMs, failedMs, untilMs };
}
