/**
 * All live groups of the fleet as one exposition, kept ready to send. Fed with whole groups as they are in Redis; pure.
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
 */
import { mergeLabels, PUSH_FAILURE_TIME, PUSH_TIME } from '../exposition/group-labels.ts';
import type { Labels } from '../exposition/model.ts';
import { formatFloat } from '../exposition/format-float.ts';
import { renderLabels } from '../exposition/render-text.ts';
import type { GroupKind } from '../grouping/group.ts';
import { Deadlines } from './deadlines.ts';
import { DividedText, type ShownText } from './divided-text.ts';
import { ExpositionText, type HeaderOf } from './exposition-text.ts';
import type { FamilyRecord } from './family-record.ts';
import type { GroupRecord } from './group-record.ts';
import { FamilyEntry, groupOrder, type Holding, type KeptOut, type SnapshotGroup } from './snapshot-family.ts';

export type { SnapshotGroup } from './snapshot-family.ts';

const PUSH_TIME_HELP = 'Last Unix time when changing this group in the Pushgateway succeeded.';
const PUSH_FAILURE_TIME_HELP = 'Last Unix time when changing this group in the Pushgateway failed.';

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

const NOTHING = Buffer.alloc(0);

export class Snapshot {
  readonly #groups = new Map<string, SnapshotGroup>();
  readonly #families = new Map<string, FamilyEntry>();
  readonly #text = new ExpositionText();
  readonly #divided = new DividedText();
  readonly #deadlines = new Deadlines();
  readonly #keptOut = new Set<Holding>();
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
    const group = held ?? this.#add(id, record);
    group.record = keptOf(record);
    for (const [name, holding] of group.holdings) {
      if (isPushTime(name) && record.kind === 'push') continue;
      const next = record.families.get(name);
      if (next === undefined || isPast(next.deadlineMs, nowMs)) this.#release(name, holding);
    }
    let dueMs = record.untilMs === 0 ? Infinity : record.untilMs;
    for (const [name, family] of record.families) {
      if (isPast(family.deadlineMs, nowMs)) continue;
      if (family.deadlineMs !== 0) dueMs = Math.min(dueMs, family.deadlineMs);
      // The stamp names the push that wrote it, so the same stamp is the same content.
      if (group.holdings.get(name)?.record.stamp !== family.stamp) this.#hold(group, name, family);
    }
    this.#setPushTimes(group);
    if (dueMs !== Infinity) this.#deadlines.schedule(id, dueMs);
  }

  /** Forgets what has expired; to be called before anything is read. */
  expire(nowMs: number): void {
    this.#divided.expire(nowMs);
    for (const id of this.#deadlines.due(nowMs)) {
      const group = this.#groups.get(id);
      if (group === undefined) continue;
      const { untilMs } = group.record;
      if (isPast(untilMs, nowMs)) {
        this.#remove(group);
        continue;
      }
      let dueMs = untilMs === 0 ? Infinity : untilMs;
      for (const [name, holding] of group.holdings) {
        const { deadlineMs } = holding.record;
        if (isPast(deadlineMs, nowMs)) this.#release(name, holding);
        else if (deadlineMs !== 0) dueMs = Math.min(dueMs, deadlineMs);
      }
      if (dueMs !== Infinity) this.#deadlines.schedule(id, dueMs);
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
    return this.#families.has(name);
  }

  /** The family names, sorted, with what their header says. */
  families(): { readonly name: string; readonly entry: FamilyEntry }[] {
    return [...this.#families].map(([name, entry]) => ({ name, entry })).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** The sample lines of one family in one group, also while it is kept out of the exposition. */
  textOf(name: string, holding: Holding): Buffer {
    return holding.hidden ?? this.#text.get(name, holding.group.order) ?? NOTHING;
  }

  /** Does some of what text() would have to do; returns how much is left, in steps of some microseconds. */
  tidy(steps: number): number {
    return this.#text.tidy(steps);
  }

  /** The exposition. The buffers stay as they are, whatever happens to the snapshot later. */
  text(): readonly Buffer[] {
    return this.#text.buffers(this.#headerOf);
  }

  /** Part `i` of `n` of the exposition, for scrapers that share it; see divided-text.ts. */
  async part(i: number, n: number, nowMs: number): Promise<readonly Buffer[]> {
    return await this.#divided.buffers(i, n, nowMs, () => this.#shownTexts(), this.#headerOf);
  }

  get stats(): SnapshotStats {
    return {
      groups: this.#groups.size,
      families: this.#families.size,
      series: this.#series,
      bytes: this.#bytes,
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

  #add(id: string, record: GroupRecord): SnapshotGroup {
    const { kind, labels } = record;
    const group: SnapshotGroup = {
      id,
      order: groupOrder(kind, labels),
      labels,
      timeLabels: undefined,
      holdings: new Map(),
      record,
    };
    this.#groups.set(id, group);
    this.#membership++;
    return group;
  }

  #remove(group: SnapshotGroup): void {
    for (const [name, holding] of group.holdings) this.#release(name, holding);
    this.#groups.delete(group.id);
    this.#membership++;
  }

  #setPushTimes(group: SnapshotGroup): void {
    const { kind, pushedMs, failedMs } = group.record;
    if (kind !== 'push') return;
    this.#setPushTime(group, PUSH_TIME, PUSH_TIME_HELP, pushedMs);
    this.#setPushTime(group, PUSH_FAILURE_TIME, PUSH_FAILURE_TIME_HELP, failedMs);
  }

  #setPushTime(group: SnapshotGroup, name: string, help: string, ms: number): void {
    // The time says whether anything changed.
    if (group.holdings.get(name)?.record.arrivalMs === ms) return;
    group.timeLabels ??= renderLabels(mergeLabels([], group.labels));
    const text = Buffer.from(`${name}${group.timeLabels} ${formatFloat(ms / 1000)}\n`);
    // Older than any stamp: what was sent to /ingest under this name gives way. Its end is the group's.
    this.#hold(group, name, {
      stamp: '',
      deadlineMs: 0,
      arrivalMs: ms,
      type: 'gauge',
      samples: 1,
      help,
      text,
      exact: NOTHING,
    });
  }

  #hold(group: SnapshotGroup, name: string, family: FamilyRecord): void {
    const before = group.holdings.get(name);
    const { text, deadlineMs, arrivalMs, type, samples } = family;
    // What is the same for many is kept once. And no spread: it would make a hidden class for every one of them.
    const known = this.#families.get(name);
    const stamp = family.stamp === group.record.top ? group.record.top : family.stamp;
    const help = family.help === known?.help ? known.help : family.help;
    const exact = family.exact.length === 0 ? NOTHING : Buffer.from(family.exact);
    const record = { stamp, deadlineMs, arrivalMs, type, samples, help, exact };
    if (known !== undefined && before !== undefined && before.record.samples > 0 && samples > 0) {
      const { record: replaced, bytes } = before;
      if (known.renew(before, record)) {
        known.help = help;
        before.bytes = text.length;
        this.#series += samples - replaced.samples;
        this.#bytes += text.length - bytes;
        this.#show(before.name, group, Buffer.from(text));
        return;
      }
    }
    const holding: Holding = {
      group,
      name: known?.name ?? name,
      record,
      bytes: text.length,
      reason: undefined,
      hidden: undefined,
    };
    // A family without metrics is the group's, but not the exposition's.
    if (holding.record.samples === 0) {
      if (before !== undefined) this.#release(name, before);
      holding.hidden = NOTHING;
      group.holdings.set(holding.name, holding);
      return;
    }
    if (before !== undefined) this.#forget(before);
    group.holdings.set(holding.name, holding);
    const entry = known ?? this.#family(name);
    entry.help = help;
    const { isCompound, hasBuckets } = entry;
    entry.set(holding);
    this.#series += holding.record.samples;
    this.#bytes += holding.bytes;
    this.#show(holding.name, group, Buffer.from(text));
    this.#settle(name, entry, holding, before);
    if (entry.isCompound !== isCompound || entry.hasBuckets !== hasBuckets) this.#settleSuffixes(name);
  }

  #release(name: string, holding: Holding): void {
    holding.group.holdings.delete(name);
    if (holding.record.samples === 0) return;
    this.#forget(holding);
    const entry = this.#family(name);
    const { isCompound, hasBuckets } = entry;
    entry.delete(holding);
    this.#hide(name, holding.group);
    this.#settle(name, entry, undefined, holding);
    if (entry.isCompound !== isCompound || entry.hasBuckets !== hasBuckets) this.#settleSuffixes(name);
  }

  #forget(holding: Holding): void {
    if (holding.record.samples === 0) return;
    this.#series -= holding.record.samples;
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

  #show(name: string, group: SnapshotGroup, text: Buffer): void {
    this.#version++;
    this.#text.set(name, group.order, text);
    this.#divided.set(name, group.order, group.id, text);
  }

  #hide(name: string, group: SnapshotGroup): void {
    this.#version++;
    this.#text.delete(name, group.order);
    this.#divided.delete(name, group.order, group.id);
  }

  readonly #headerOf: HeaderOf = (name, order) => this.#families.get(name)?.get(order)?.record;

  /** What is shown, group by group, as it is at that moment. */
  *#shownTexts(): Generator<ShownText[]> {
    for (const group of this.#groups.values()) {
      const { id: groupId, order } = group;
      yield [...group.holdings].flatMap(([family, holding]) => {
        return holding.hidden === undefined ? [{ family, order, groupId, text: this.textOf(family, holding) }] : [];
      });
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
    return SUFFIXES.some(({ suffix, withBuckets }) => {
      if (!name.endsWith(suffix)) return false;
      const base = this.#families.get(name.slice(0, -suffix.length));
      return base !== undefined && (withBuckets ? base.hasBuckets : base.isCompound);
    });
  }

  #settleSuffixes(name: string): void {
    for (const { suffix } of SUFFIXES) {
      const entry = this.#families.get(name + suffix);
      if (entry === undefined) continue;
      for (const holding of entry.holdings()) this.#decide(name + suffix, entry, holding);
      this.#settle(name + suffix, entry, undefined, undefined);
    }
  }
}

const SUFFIXES = [
  { suffix: '_sum', withBuckets: false },
  { suffix: '_count', withBuckets: false },
  { suffix: '_bucket', withBuckets: true },
] as const;

/** Not the families: the snapshot has them in its own way. */
function keptOf({ kind, top, pushedMs, failedMs, untilMs }: GroupRecord): SnapshotGroup['record'] {
  return { kind, top, pushedMs, failedMs, untilMs };
}

function isPushTime(name: string): boolean {
  return name === PUSH_TIME || name === PUSH_FAILURE_TIME;
}

function isPast(deadlineMs: number, nowMs: number): boolean {
  return deadlineMs !== 0 && deadlineMs <= nowMs;
}
