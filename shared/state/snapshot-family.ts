/**
 * One family of the snapshot: which groups hold it, as what, and which of them contradict each other.
 */
import { labelSetsOf } from '../exposition/label-sets.ts';
import type { Labels, MetricType } from '../exposition/model.ts';
import { encodeLabels, type GroupKind } from '../grouping/group.ts';
import type { Timed } from './deadlines.ts';
import type { FamilyRecord } from './family-record.ts';
import type { GroupRecord } from './group-record.ts';
import { namesKey } from './shapes.ts';

/** Why a family of a group is kept out of the exposition (see snapshot.ts). */
export type KeptOut = 'type' | 'duplicate' | 'clash';

export type HeldRecord = Omit<FamilyRecord, 'text'>;

/** What a group holds of one family. Its text is in the snapshot's. */
export interface Holding {
  readonly group: SnapshotGroup;
  readonly name: string;
  record: HeldRecord;
  bytes: number;
  reason: KeptOut | undefined;
  /** Its text while it is kept out. */
  hidden: Buffer | undefined;
}

export interface SnapshotGroup extends Timed {
  readonly id: string;
  /** Orders its chunks within a family. */
  readonly order: string;
  readonly labels: Labels;
  readonly labelNames: LabelNames;
  /** The labels of its push times, rendered; undefined until they are needed. */
  timeLabels: string | undefined;
  readonly holdings: Map<string, Holding>;
  record: Pick<GroupRecord, 'kind' | 'top' | 'pushedMs' | 'failedMs' | 'untilMs'>;
}

/** Names of grouping labels; groups with the same ones cannot hold the same series. */
export interface LabelNames {
  readonly key: string;
  readonly kind: GroupKind;
  readonly names: readonly string[];
}

/** Of an ingest group every series has names of its own; they count as one set. */
export function labelNamesOf(kind: GroupKind, labels: Labels): LabelNames {
  const names = kind === 'ingest' ? [] : labels.map(([name]) => name);
  return { key: namesKey(kind, labels), kind, names };
}

export function groupOrder(kind: GroupKind, labels: Labels): string {
  return kind + encodeLabels(labels);
}

const NOBODY: ReadonlySet<Holding> = new Set();

type TextOf = (holding: Holding) => Buffer;

const COMPOUND: readonly MetricType[] = ['summary', 'histogram', 'gauge_histogram'];
const WITH_BUCKETS: readonly MetricType[] = ['histogram', 'gauge_histogram'];

export class FamilyEntry {
  readonly name: string;
  /** Of the latest to come: it is the same for most. */
  help = '';
  /** By the groups' order. */
  readonly #holders = new Map<string, Holding>();
  readonly #types = new Map<MetricType, number>();
  /** How many holders have these. */
  readonly #labelNames = new Map<string, { readonly of: LabelNames; count: number }>();

  readonly #duplicates = new Set<Holding>();
  /** The type that is shown. */
  #standing: MetricType | undefined;
  /** Undefined when it has to be looked for. */
  #oldest: Holding | undefined;

  constructor(name: string) {
    this.name = name;
  }

  get size(): number {
    return this.#holders.size;
  }

  get isCompound(): boolean {
    return COMPOUND.some((type) => this.#types.has(type));
  }

  get hasBuckets(): boolean {
    return WITH_BUCKETS.some((type) => this.#types.has(type));
  }

  get(order: string): Holding | undefined {
    return this.#holders.get(order);
  }

  holdings(): IterableIterator<Holding> {
    return this.#holders.values();
  }

  /** Replaces what the same group held. */
  set(holding: Holding): void {
    const before = this.#holders.get(holding.group.order);
    if (before !== undefined) this.#count(before, -1);
    this.#holders.set(holding.group.order, holding);
    this.#count(holding, 1);
    if (this.#oldest !== undefined && isOlder(holding, this.#oldest)) this.#oldest = holding;
  }

  /**
   * Whether it may become this, and nobody's place in the exposition is another: all holders have, and had, the same type and
   * the same label names. So it is for most pushes.
   */
  renew(holding: Holding, record: HeldRecord): boolean {
    if (holding.reason !== undefined || holding.record.type !== record.type) return false;
    if (this.#types.size > 1 || this.#labelNames.size > 1) return false;
    if (holding === this.#oldest) this.#oldest = undefined;
    holding.record = record;
    return true;
  }

  delete(holding: Holding): void {
    if (this.#holders.delete(holding.group.order)) this.#count(holding, -1);
  }

  /** Those whose place in the exposition may be another after `before` became `now` (either may be missing). */
  touchedBy(now: Holding | undefined, before: Holding | undefined, textOf: TextOf): Iterable<Holding> {
    const stood = this.#standing;
    this.#standing = this.#types.size > 1 ? this.#findOldest().record.type : this.#types.keys().next().value;
    if (stood !== undefined && stood !== this.#standing) return [...this.#holders.values()];
    const rivals = now === undefined ? NOBODY : this.#rivals(now, textOf);
    if (now !== undefined && rivals.size === 0 && before === undefined) return [now];
    const touched = new Set(now === undefined ? rivals : [now, ...rivals]);
    // Whoever lost against what was there before has to be looked at again; duplicates are rare enough for all of them.
    if (before !== undefined) for (const holding of this.#duplicates) touched.add(holding);
    return touched;
  }

  /** Undefined when nothing speaks against showing it. */
  reasonAgainst(holding: Holding, textOf: TextOf): KeptOut | undefined {
    if (holding.record.type !== this.#standing) {
      this.#duplicates.delete(holding);
      return 'type';
    }
    for (const rival of this.#rivals(holding, textOf)) {
      // By its type, for its reason may be about to change.
      if (!isOlder(rival, holding) || rival.record.type !== holding.record.type) continue;
      this.#duplicates.add(holding);
      return 'duplicate';
    }
    this.#duplicates.delete(holding);
    return undefined;
  }

  #count(holding: Holding, by: 1 | -1): void {
    const { type } = holding.record;
    const ofType = (this.#types.get(type) ?? 0) + by;
    if (ofType === 0) this.#types.delete(type);
    else this.#types.set(type, ofType);
    if (by === -1) this.#duplicates.delete(holding);
    if (by === -1 && holding === this.#oldest) this.#oldest = undefined;

    const of = holding.group.labelNames;
    const set = this.#labelNames.get(of.key);
    if (set === undefined) this.#labelNames.set(of.key, { of, count: 1 });
    else if (set.count + by === 0) this.#labelNames.delete(of.key);
    else set.count += by;
  }

  #findOldest(): Holding {
    if (this.#oldest !== undefined) return this.#oldest;
    for (const holding of this.#holders.values()) {
      if (this.#oldest === undefined || isOlder(holding, this.#oldest)) this.#oldest = holding;
    }
    if (this.#oldest === undefined) throw new Error(`nobody holds family ${this.name}`);
    return this.#oldest;
  }

  /**
   * Other groups that hold a series of this one. Only groups with other label names can, and for each set of names in use
   * the group follows from the series.
   */
  #rivals(holding: Holding, textOf: TextOf): ReadonlySet<Holding> {
    if (this.#labelNames.size < 2) return NOBODY;
    const rivals = new Set<Holding>();
    const text = textOf(holding).toString();
    const own = holding.group.labelNames.key;
    for (const labels of labelSetsOf(this.name, holding.record.type, text)) {
      const values = new Map(labels);
      for (const [key, { of: other }] of this.#labelNames) {
        if (key === own || !other.names.every((name) => values.has(name))) continue;
        const grouping: Labels =
          other.kind === 'ingest' ? labels : other.names.map((name) => [name, values.get(name) ?? '']);
        const rival = this.#holders.get(groupOrder(other.kind, grouping));
        if (rival === undefined || rival === holding || rivals.has(rival)) continue;
        if (sharesSeries(text, textOf(rival).toString())) rivals.add(rival);
      }
    }
    return rivals;
  }
}

/** Both are rendered alike, so the same series is the same text up to its value. */
function sharesSeries(a: string, b: string): boolean {
  const series = new Set(seriesOf(a));
  return seriesOf(b).some((one) => series.has(one));
}

function seriesOf(text: string): string[] {
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => line.slice(0, line.lastIndexOf(' ')));
}

function isOlder(a: Holding, b: Holding): boolean {
  return a.record.stamp === b.record.stamp ? a.group.id < b.group.id : a.record.stamp < b.record.stamp;
}
