/**
 * All live groups of the fleet as one exposition, kept ready to send. Fed with groups as they are in Redis, or what changed of them; pure.
 *
 *     group    its families with their deadlines, and its push times
 *     family   which groups hold it, and as what type
 *     text     one chunk for each family's header and for each family in each group, ordered by family, then group
 *
 * The exposition is valid whatever was pushed. Ingest refuses what contradicts other groups; what slips through (two ingest
 * nodes within milliseconds, checks switched off) is kept out here, by rules that every reader decides alike:
 *
 *     type        another group pushed the family earlier (by stamp) as another type
 *     duplicate   another group pushed the same series earlier
 *     clash       the family is called x_sum, x_count or x_bucket, and x is a summary or a histogram
 *
 * Push times, which every pushed group has, are kept more cheaply than families as long as nothing can contradict them (push-time-text.ts).
 */
import type { Labels } from '../../../shared/model/metric-family.ts';
import { groupingNames, hasNames, type GroupingNames } from '../../../shared/consistency/series-owners.ts';
import { splitSuffix, suffixesOf } from '../../../shared/consistency/suffix-collisions.ts';
import type { GroupKind } from '../../../shared/model/group.ts';
import { Deadlines, isPast, sooner } from '../../../shared/records/deadlines.ts';
import { PartitionedText, type HoldingText } from '../text/partitioned-text.ts';
import { ExpositionText, type HeaderOf } from '../text/exposition-text.ts';
import { NOTHING, type FamilyRecord } from '../../../shared/records/family-record.ts';
import type { ReadableText } from '../text/text-chunks.ts';
import type { GroupRecord } from '../../../shared/records/group-record.ts';
import { PlainPushTimes, textOfTime } from './push-time-text.ts';
import { isPushTime, PUSH_TIMES, pushTimeCalled, pushTimeRecord, type PushTime } from './push-times.ts';
import { FamilyEntry } from './snapshot-family.ts';
import { Holding, SnapshotGroup, type KeptOut, type Written } from './snapshot-group.ts';

export { SnapshotGroup } from './snapshot-group.ts';

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
  readonly #families = new Map<string, FamilyEntry>();
  readonly #headerOf: HeaderOf = (name, order) => {
    const held = this.#families.get(name)?.get(order);
    if (held !== undefined) return held;
    const time = pushTimeCalled(name);
    return time === undefined ? undefined : pushTimeRecord(time, 0);
  };
  readonly #text = new ExpositionText(this.#headerOf);
  readonly #partitioned = new PartitionedText(this.#headerOf, () => this.#holdingTexts());
  readonly #deadlines = new Deadlines<SnapshotGroup>();
  readonly #keptOut = new Set<Holding>();
  readonly #plainTimes = new PlainPushTimes((...shown) => this.#show(...shown));
  /** Push times that are kept as families. */
  #contested: readonly PushTime[] = [];
  #latestNames = groupingNames('ingest', []);
  #series = 0;
  #bytes = 0;
  #membership = 0;
  #version = 0;

  /** Replaces what is known of a group; undefined = it does not exist. */
  set(id: string, record: GroupRecord | undefined, nowMs: number): void {
    const held = this.#groups.get(id);
    if (record === undefined || isPast(record.untilMs, nowMs)) {
      if (held !== undefined) this.#remove(held);
      return;
    }
    const before = held?.record;
    const group = held ?? this.#add(id, record);
    const isPushed = record.kind === 'push';
    for (const [name, holding] of group.holdings) {
      if (isPushed && isPushTime(name)) continue;
      const next = record.families.get(name);
      if (next === undefined || isPast(next.deadlineMs, nowMs)) this.#release(name, holding);
    }
    this.#take(group, before, record, nowMs);
  }

  /**
   * Brings some families of a group, and what else is known of it; its other families are as they were. Returns whether it is held; if not, it has
   * to be set.
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
      if (holding !== undefined && !(record.kind === 'push' && isPushTime(name))) this.#release(name, holding);
    }
    this.#take(group, group.record, record, nowMs);
    return true;
  }

  /** Forgets what has expired; to be called before anything is read. */
  expire(nowMs: number): void {
    this.#partitioned.expire(nowMs);
    for (const group of this.#deadlines.due(nowMs)) {
      if (this.#groups.get(group.id) !== group) continue;
      const { untilMs } = group.record;
      if (isPast(untilMs, nowMs)) {
        this.#remove(group);
        continue;
      }
      let dueMs = untilMs;
      for (const [name, holding] of group.holdings) {
        if (isPast(holding.deadlineMs, nowMs)) this.#release(name, holding);
        else dueMs = sooner(dueMs, holding.deadlineMs);
      }
      this.#deadlines.schedule(group, dueMs);
    }
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

  /** Changes whenever a group comes or goes: until then, what was made from their labels alone holds. */
  get membership(): number {
    return this.#membership;
  }

  /** Changes whenever the exposition does. */
  get version(): number {
    return this.#version;
  }

  hasFamily(name: string): boolean {
    return this.#families.has(name) || this.#plainTimes.shown.some((time) => time.name === name);
  }

  /** The family names, sorted, with what groups hold of them. */
  families(): { readonly name: string; readonly holdings: () => Iterable<Holding> }[] {
    const pushed = Array.from(this.#families, ([name, entry]) => ({ name, holdings: () => entry.holdings() }));
    const times = this.#plainTimes.shown.map((time) => {
      return { name: time.name, holdings: () => this.#plainTimes.holdings(this.#groups.values(), time) };
    });
    return [...pushed, ...times].toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** All that is a group's, its push times among it. */
  holdingsOf(group: SnapshotGroup): Holding[] {
    const times = this.#plainTimes.times.flatMap((time) => [...this.#plainTimes.holdings([group], time)]);
    return [...group.holdings.values(), ...times];
  }

  /** The sample lines of one family in one group, also while it is kept out of the exposition. */
  textOf(name: string, holding: Holding): Buffer {
    return holding.hidden ?? this.#text.get(name, holding.group.order) ?? NOTHING;
  }

  /** The exposition. */
  get text(): ReadableText {
    return this.#text;
  }

  /** See ReadableText. */
  tidy(isOver: () => boolean): number {
    return this.#text.applyPending(isOver);
  }

  /** Partition `i` of `n` of the exposition, for scrapers that share it; see partitioned-text.ts. */
  async partition(i: number, n: number, nowMs: number): Promise<ReadableText> {
    return n === 1 ? this.#text : await this.#partitioned.partition(i, n, nowMs);
  }

  get stats(): SnapshotStats {
    return {
      groups: this.#groups.size,
      families: this.#families.size + this.#plainTimes.shown.length,
      series: this.#series + this.#plainTimes.series,
      bytes: this.#bytes + this.#plainTimes.bytes,
      keptOut: this.#keptOut.size,
    };
  }

  /** What is kept out of the exposition, and why. */
  keptOut(): KeptOutFamily[] {
    return Array.from(this.#keptOut, ({ group, name, reason }) => {
      return {
        family: name,
        groupId: group.id,
        kind: group.record.kind,
        labels: group.labels,
        reason: reason ?? 'type',
      };
    });
  }

  /** `before` is what the group was, undefined if it is new. */
  #take(group: SnapshotGroup, before: SnapshotGroup['record'] | undefined, record: GroupRecord, nowMs: number): void {
    if (before !== undefined) group.record = keptOf(record);
    const isPushed = record.kind === 'push';
    let dueMs = record.untilMs;
    for (const [name, family] of record.families) {
      if (isPast(family.deadlineMs, nowMs) || (isPushed && isPushTime(name))) continue;
      dueMs = sooner(dueMs, family.deadlineMs);
      // The stamp names the push that wrote it, so the same stamp is the same content.
      if (group.holdings.get(name)?.stamp !== family.stamp) this.#hold(group, name, family);
    }
    if (isPushed) {
      this.#plainTimes.set(group, before, record.labels);
      for (const time of this.#contested) this.#holdPushTime(group, time, before);
    }
    this.#deadlines.schedule(group, dueMs);
  }

  #add(id: string, record: GroupRecord): SnapshotGroup {
    const { kind, labels, order } = record;
    const group = new SnapshotGroup(id, order, this.#sharedNames(kind, labels), keptOf(record));
    if (kind === 'push') {
      // The one label that a group may have and its push times have anyway: another group may have the same ones.
      const isAmbiguous = labels.some(([name, value]) => name === 'instance' && value === '');
      if (isAmbiguous) for (const time of PUSH_TIMES) this.#contest(time);
    }
    this.#groups.set(id, group);
    this.#membership++;
    return group;
  }

  /** One object for the groups that come one after another with the same names. */
  #sharedNames(kind: GroupKind, labels: Labels): GroupingNames {
    if (!hasNames(kind, labels, this.#latestNames)) this.#latestNames = groupingNames(kind, labels);
    return this.#latestNames;
  }

  #remove(group: SnapshotGroup): void {
    for (const [name, holding] of group.holdings) this.#release(name, holding);
    if (group.record.kind === 'push') {
      this.#plainTimes.delete(group);
      for (const { name } of this.#plainTimes.times) this.#hide(name, group);
    }
    this.#groups.delete(group.id);
    this.#membership++;
  }

  /** From now on the push time is a family like any other, for there may be others who hold it. */
  #contest(time: PushTime): void {
    if (this.#contested.includes(time)) return;
    this.#contested = [...this.#contested, time];
    const pushed = [...this.#groups.values()].filter(({ record }) => record.kind === 'push');
    this.#plainTimes.contest(time, pushed);
    for (const group of pushed) this.#holdPushTime(group, time, undefined);
  }

  /** `before` is what the group was, undefined if it does not hold it yet. */
  #holdPushTime(group: SnapshotGroup, time: PushTime, before: SnapshotGroup['record'] | undefined): void {
    const ms = time.msOf(group.record);
    // The time says whether anything changed.
    if (before !== undefined && time.msOf(before) === ms) return;
    const text = Buffer.from(textOfTime(group, time));
    this.#hold(group, time.name, { ...pushTimeRecord(time, ms), text });
  }

  #hold(group: SnapshotGroup, name: string, family: FamilyRecord): void {
    const time = pushTimeCalled(name);
    if (time !== undefined) this.#contest(time);
    const before = group.holdings.get(name);
    const { text, samples } = family;
    const known = this.#families.get(name);
    const entry = known ?? new FamilyEntry(name);
    const head = entry.headOf(family);
    const written = writtenBy(family, group.record);
    if (before !== undefined && before.samples > 0 && samples > 0) {
      const { samples: replaced, bytes } = before;
      if (entry.renew(before, head, written)) {
        before.bytes = text.length;
        this.#series += samples - replaced;
        this.#bytes += text.length - bytes;
        this.#show(before.name, group, text);
        return;
      }
    }
    const holding = new Holding(group, head, written, text.length);
    // A family without metrics is the group's, but not the exposition's.
    if (samples === 0) {
      if (before !== undefined) this.#release(name, before);
      holding.hidden = NOTHING;
      group.holdings.set(holding.name, holding);
      return;
    }
    if (before !== undefined) this.#forget(before);
    group.holdings.set(holding.name, holding);
    if (known === undefined) this.#families.set(name, entry);
    const { suffixes } = entry;
    entry.set(holding);
    this.#series += samples;
    this.#bytes += holding.bytes;
    this.#show(holding.name, group, text, before === undefined);
    this.#settle(name, entry, holding, before);
    if (entry.suffixes !== suffixes) this.#settleSuffixes(name);
  }

  #release(name: string, holding: Holding): void {
    holding.group.holdings.delete(name);
    if (holding.samples === 0) return;
    this.#forget(holding);
    const entry = this.#family(name);
    const { suffixes } = entry;
    entry.delete(holding);
    this.#hide(name, holding.group);
    this.#settle(name, entry, undefined, holding);
    if (entry.suffixes !== suffixes) this.#settleSuffixes(name);
  }

  #forget(holding: Holding): void {
    if (holding.samples === 0) return;
    this.#series -= holding.samples;
    this.#bytes -= holding.bytes;
    this.#keptOut.delete(holding);
  }

  #family(name: string): FamilyEntry {
    let entry = this.#families.get(name);
    if (entry === undefined) {
      entry = new FamilyEntry(name);
      this.#families.set(name, entry);
    }
    return entry;
  }

  /** Returns how many bytes the text has. `isNew`: the group shows nothing of that name yet. */
  #show(name: string, group: SnapshotGroup, text: Buffer | string, isNew = false): number {
    this.#version++;
    this.#partitioned.set(name, group.order, group.id, text);
    return isNew ? this.#text.add(name, group.order, text) : this.#text.set(name, group.order, text);
  }

  #hide(name: string, group: SnapshotGroup): void {
    this.#version++;
    this.#text.delete(name, group.order);
    this.#partitioned.delete(name, group.order, group.id);
  }

  /** What is shown, in its order, for then texts lie side by side; each as it is when its turn comes. */
  *#holdingTexts(): Generator<HoldingText> {
    const ids = new Map(Array.from(this.#groups.values(), ({ order, id }) => [order, id]));
    for (const { family, order, text } of this.#text.texts()) {
      const groupId = ids.get(order);
      // Of a group that came since then everybody has been told.
      if (groupId !== undefined) yield { family, order, groupId, text };
    }
  }

  /** After a change to who holds a family: decides anew what the change can have made a difference to. */
  #settle(name: string, entry: FamilyEntry, now: Holding | undefined, before: Holding | undefined): void {
    if (entry.size === 0) {
      this.#families.delete(name);
      return;
    }
    const touched = entry.touchedBy(now, before, (holding) => this.textOf(name, holding));
    for (const holding of touched) this.#decide(name, entry, holding);
  }

  #decide(name: string, entry: FamilyEntry, holding: Holding): void {
    const reason = this.#clashes(name) ? 'clash' : entry.reasonAgainst(holding, (other) => this.textOf(name, other));
    holding.reason = reason;
    if (reason === undefined) {
      if (holding.hidden === undefined) return;
      this.#show(name, holding.group, holding.hidden);
      holding.hidden = undefined;
      this.#keptOut.delete(holding);
    } else if (holding.hidden === undefined) {
      holding.hidden = Buffer.from(this.#text.get(name, holding.group.order) ?? NOTHING);
      this.#hide(name, holding.group);
      this.#keptOut.add(holding);
    }
  }

  #clashes(name: string): boolean {
    const split = splitSuffix(name);
    return split !== undefined && (this.#families.get(split.base)?.suffixes.includes(split.suffix) ?? false);
  }

  #settleSuffixes(name: string): void {
    for (const suffix of suffixesOf('histogram')) {
      const entry = this.#families.get(name + suffix);
      if (entry === undefined) continue;
      for (const holding of entry.holdings()) this.#decide(name + suffix, entry, holding);
      this.#settle(name + suffix, entry, undefined, undefined);
    }
  }
}

/** Not the families: the snapshot has them in its own way. */
function keptOf({ kind, top, pushedMs, failedMs, untilMs }: GroupRecord): SnapshotGroup['record'] {
  return { kind, top, pushedMs, failedMs, untilMs };
}

function writtenBy({ stamp, arrivalMs, deadlineMs }: FamilyRecord, newest: SnapshotGroup['record']): Written {
  const isNewest = stamp === newest.top && arrivalMs === newest.pushedMs && deadlineMs === newest.untilMs;
  return isNewest ? newest : { top: stamp, pushedMs: arrivalMs, untilMs: deadlineMs };
}
