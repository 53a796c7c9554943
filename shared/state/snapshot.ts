/**
 * All live groups of the fleet as one exposition, kept ready to send. Fed with whole groups as they are in Redis; pure.
 *
 *     group    its families with their deadlines, and its push times
 *     family   which groups hold it, and as what type
 *     text     one chunk for each family's header and for each family in each group, ordered by family, then group
 *
 * A family has one type in an exposition. Where two groups disagree (a rare race between ingest nodes), the type of the older
 * stamp stands; families of the other type are kept out and counted as conflicts until the disagreement ends.
 */
import { mergeLabels, PUSH_FAILURE_TIME, PUSH_TIME } from '../exposition/group-labels.ts';
import type { Labels, MetricType } from '../exposition/model.ts';
import { renderHeader, renderSamples } from '../exposition/render-text.ts';
import { encodeLabels } from '../grouping/group.ts';
import { Deadlines } from './deadlines.ts';
import type { FamilyRecord } from './family-record.ts';
import type { GroupRecord } from './group-record.ts';
import { SegmentedText } from './segmented-text.ts';
import type { Stamp } from './stamp.ts';

const PUSH_TIME_HELP = 'Last Unix time when changing this group in the Pushgateway succeeded.';
const PUSH_FAILURE_TIME_HELP = 'Last Unix time when changing this group in the Pushgateway failed.';

/** What a group holds of one family. */
interface Holding {
  readonly group: Group;
  readonly type: MetricType;
  readonly help: string;
  readonly stamp: Stamp;
  readonly deadlineMs: number;
  readonly samples: number;
  readonly bytes: number;
  /** Its text while it is kept out of the exposition. */
  keptOut: Buffer | undefined;
}

interface Group {
  readonly id: string;
  /** Orders its chunks within a family. */
  readonly order: string;
  readonly labels: Labels;
  readonly holdings: Map<string, Holding>;
  record: Pick<GroupRecord, 'kind' | 'top' | 'pushedMs' | 'failedMs' | 'untilMs'>;
}

interface FamilyEntry {
  /** By the groups' `order`. */
  readonly holders: Map<string, Holding>;
  readonly types: Map<MetricType, number>;
  header: string;
}

export interface SnapshotStats {
  readonly groups: number;
  readonly families: number;
  readonly series: number;
  readonly bytes: number;
  readonly conflicts: number;
}

export interface GroupSummary {
  readonly id: string;
  readonly labels: Labels;
}

export class Snapshot {
  readonly #groups = new Map<string, Group>();
  readonly #families = new Map<string, FamilyEntry>();
  readonly #text = new SegmentedText();
  readonly #deadlines = new Deadlines();
  readonly #conflicts = new Set<Holding>();
  #series = 0;
  #bytes = 0;

  /** Replaces what is known of a group; undefined = it does not exist. Never takes a group back to an older state. */
  set(id: string, record: GroupRecord | undefined, nowMs: number): void {
    const held = this.#groups.get(id);
    if (record === undefined || isPast(record.untilMs, nowMs)) {
      if (held !== undefined) this.#remove(held);
      return;
    }
    const group = held ?? this.#add(id, record);
    group.record = record;
    for (const [name, holding] of group.holdings) {
      const next = record.families.get(name);
      if (next === undefined || isPast(next.deadlineMs, nowMs)) this.#release(group, name, holding);
    }
    let dueMs = record.untilMs === 0 ? Infinity : record.untilMs;
    for (const [name, family] of record.families) {
      if (isPast(family.deadlineMs, nowMs)) continue;
      if (family.deadlineMs !== 0) dueMs = Math.min(dueMs, family.deadlineMs);
      // The stamp names the push that wrote it, so the same stamp is the same content.
      if (group.holdings.get(name)?.stamp !== family.stamp) this.#hold(group, name, family);
    }
    this.#setPushTimes(group);
    if (dueMs !== Infinity) this.#deadlines.schedule(id, dueMs);
  }

  /** Forgets what has expired; to be called before anything is read. */
  expire(nowMs: number): void {
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
        if (isPast(holding.deadlineMs, nowMs)) this.#release(group, name, holding);
        else if (holding.deadlineMs !== 0) dueMs = Math.min(dueMs, holding.deadlineMs);
      }
      if (dueMs !== Infinity) this.#deadlines.schedule(id, dueMs);
    }
  }

  /** When expire() next has something to do, ms since the epoch; undefined = never. */
  get nextExpiryMs(): number | undefined {
    return this.#deadlines.nextMs;
  }

  /** IDs of all groups. */
  ids(): IterableIterator<string> {
    return this.#groups.keys();
  }

  /** The exposition. The buffers stay as they are, whatever happens to the snapshot later. */
  text(): readonly Buffer[] {
    return this.#text.buffers();
  }

  get stats(): SnapshotStats {
    return {
      groups: this.#groups.size,
      families: this.#families.size,
      series: this.#series,
      bytes: this.#bytes,
      conflicts: this.#conflicts.size,
    };
  }

  /** Families that are kept out, with their groups. */
  conflicts(): { readonly family: string; readonly labels: Labels; readonly type: MetricType }[] {
    const found = [];
    for (const { group, type } of this.#conflicts) {
      for (const [family, holding] of group.holdings) {
        if (this.#conflicts.has(holding)) found.push({ family, labels: group.labels, type });
      }
    }
    return found;
  }

  #add(id: string, record: GroupRecord): Group {
    const order = `${record.kind}${encodeLabels(record.labels)}`;
    const group = { id, order, labels: record.labels, holdings: new Map(), record };
    this.#groups.set(id, group);
    return group;
  }

  #remove(group: Group): void {
    for (const [name, holding] of group.holdings) this.#release(group, name, holding);
    this.#groups.delete(group.id);
  }

  #setPushTimes(group: Group): void {
    const { kind, pushedMs, failedMs } = group.record;
    if (kind !== 'push') return;
    this.#holdPushTime(group, PUSH_TIME, PUSH_TIME_HELP, pushedMs);
    this.#holdPushTime(group, PUSH_FAILURE_TIME, PUSH_FAILURE_TIME_HELP, failedMs);
  }

  #holdPushTime(group: Group, name: string, help: string, ms: number): void {
    // The time stands in for a stamp: nothing else can change.
    const stamp = String(ms);
    if (group.holdings.get(name)?.stamp === stamp) return;
    const metrics = [{ labels: mergeLabels([], group.labels), value: ms / 1000 }];
    const text = Buffer.from(renderSamples({ name, help, type: 'gauge', metrics }));
    // Its end is the group's.
    this.#hold(group, name, { stamp, deadlineMs: 0, type: 'gauge', samples: 1, help, text });
  }

  #hold(group: Group, name: string, family: FamilyRecord): void {
    const { type, help, stamp, deadlineMs, samples, text } = family;
    const before = group.holdings.get(name);
    const holding: Holding = { group, type, help, stamp, deadlineMs, samples, bytes: text.length, keptOut: undefined };
    const entry = this.#family(name);
    if (before !== undefined) this.#count(entry, before, -1);
    group.holdings.set(name, holding);
    entry.holders.set(group.order, holding);
    this.#count(entry, holding, 1);
    this.#show(name, holding, Buffer.from(text));
    this.#settle(name, entry, before === undefined || before.type !== type || before.help !== help);
  }

  #release(group: Group, name: string, holding: Holding): void {
    const entry = this.#family(name);
    group.holdings.delete(name);
    entry.holders.delete(group.order);
    this.#count(entry, holding, -1);
    if (holding.keptOut === undefined) this.#text.delete(chunkKey(name, group.order));
    this.#settle(name, entry, true);
  }

  #family(name: string): FamilyEntry {
    let entry = this.#families.get(name);
    if (entry === undefined) {
      entry = { holders: new Map(), types: new Map(), header: '' };
      this.#families.set(name, entry);
    }
    return entry;
  }

  #count(entry: FamilyEntry, holding: Holding, by: 1 | -1): void {
    const ofType = (entry.types.get(holding.type) ?? 0) + by;
    if (ofType === 0) entry.types.delete(holding.type);
    else entry.types.set(holding.type, ofType);
    this.#series += by * holding.samples;
    this.#bytes += by * holding.bytes;
    if (by === -1) this.#conflicts.delete(holding);
  }

  /** After a change to who holds a family: keeps out what conflicts, and brings the header in line. */
  #settle(name: string, entry: FamilyEntry, headerMayChange: boolean): void {
    if (entry.holders.size === 0) {
      this.#families.delete(name);
      this.#text.delete(headerKey(name));
      return;
    }
    if (entry.types.size > 1 || this.#conflicts.size > 0) this.#settleTypes(name, entry);
    if (!headerMayChange && entry.header !== '') return;
    const first = this.#text.next(headerKey(name));
    const shown = first === undefined ? undefined : entry.holders.get(first.slice(name.length + 1));
    const header = shown === undefined ? '' : renderHeader(name, shown.help, shown.type);
    if (header === entry.header) return;
    entry.header = header;
    this.#text.set(headerKey(name), Buffer.from(header));
  }

  #settleTypes(name: string, entry: FamilyEntry): void {
    let oldest: Holding | undefined;
    for (const holding of entry.holders.values()) {
      if (oldest === undefined || isOlder(holding, oldest)) oldest = holding;
    }
    for (const holding of entry.holders.values()) {
      if (holding.type === oldest?.type) {
        if (holding.keptOut !== undefined) this.#show(name, holding, holding.keptOut);
      } else if (holding.keptOut === undefined) {
        const key = chunkKey(name, holding.group.order);
        holding.keptOut = Buffer.from(this.#text.get(key) ?? Buffer.alloc(0));
        this.#conflicts.add(holding);
        this.#text.delete(key);
      }
    }
  }

  #show(name: string, holding: Holding, text: Buffer): void {
    holding.keptOut = undefined;
    this.#conflicts.delete(holding);
    this.#text.set(chunkKey(name, holding.group.order), text);
  }
}

function isPast(deadlineMs: number, nowMs: number): boolean {
  return deadlineMs !== 0 && deadlineMs <= nowMs;
}

function isOlder(a: Holding, b: Holding): boolean {
  return a.stamp === b.stamp ? a.group.id < b.group.id : a.stamp < b.stamp;
}

/** Below every chunk of its family, above every chunk of the families before it: a name holds no NUL. */
function headerKey(family: string): string {
  return `${family}\0`;
}

function chunkKey(family: string, order: string): string {
  return `${family}\0${order}`;
}
