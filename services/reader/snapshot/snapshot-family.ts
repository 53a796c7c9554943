/**
 * One family of the snapshot: which groups hold it, as what, and which of them contradict each other.
 */
import { possibleOwner, type GroupingNames } from '../../../shared/consistency/series-owners.ts';
import { suffixesOf } from '../../../shared/consistency/suffix-collisions.ts';
import { labelSetsOf } from '../../../shared/exposition/check/label-sets.ts';
import type { MetricType } from '../../../shared/model/metric-family.ts';
import { groupOrder } from '../../../shared/model/group.ts';
import { NOTHING, type FamilyRecord } from '../../../shared/records/family-record.ts';
import type { FamilyHead, Holding, KeptOut, Written } from './snapshot-group.ts';

const NOBODY: ReadonlySet<Holding> = new Set();

type TextOf = (holding: Holding) => Buffer;

export class FamilyEntry {
  readonly name: string;
  /** Of the latest to come. */
  #head: FamilyHead | undefined;
  /** By the groups' order. */
  readonly #holders = new Map<string, Holding>();
  readonly #types = new Map<MetricType, number>();
  /** How many holders have these. */
  readonly #names = new Map<string, { readonly of: GroupingNames; count: number }>();

  readonly #duplicates = new Set<Holding>();
  /** The type that is shown. */
  #standing: MetricType | undefined;
  /** Undefined when it has to be looked for. */
  #oldest: Holding | undefined;

  constructor(name: string) {
    this.name = name;
  }

  /** One object for those that come one after another and say the same. */
  headOf({ type, samples, help, exact }: FamilyRecord): FamilyHead {
    const latest = this.#head;
    const isExact = exact.length > 0 || (latest !== undefined && latest.exact.length > 0);
    if (!isExact && latest?.type === type && latest.samples === samples && latest.help === help) return latest;
    this.#head = {
      name: this.name,
      type,
      samples,
      help: latest?.help === help ? latest.help : help,
      // Copied: it lies in a larger buffer.
      exact: exact.length === 0 ? NOTHING : Buffer.from(exact),
    };
    return this.#head;
  }

  get size(): number {
    return this.#holders.size;
  }

  /** The suffixes that its types take. */
  get suffixes(): ReturnType<typeof suffixesOf> {
    let most = suffixesOf('untyped');
    for (const type of this.#types.keys()) if (suffixesOf(type).length > most.length) most = suffixesOf(type);
    return most;
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
  renew(holding: Holding, head: FamilyHead, written: Written): boolean {
    if (holding.reason !== undefined || holding.type !== head.type) return false;
    if (this.#types.size > 1 || this.#names.size > 1) return false;
    if (holding === this.#oldest) this.#oldest = undefined;
    holding.head = head;
    holding.written = written;
    return true;
  }

  delete(holding: Holding): void {
    if (this.#holders.delete(holding.group.order)) this.#count(holding, -1);
  }

  /** Those whose place in the exposition may be another after `before` became `now` (either may be missing). */
  touchedBy(now: Holding | undefined, before: Holding | undefined, textOf: TextOf): Iterable<Holding> {
    const stood = this.#standing;
    this.#standing = this.#types.size > 1 ? this.#findOldest().type : this.#types.keys().next().value;
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
    if (holding.type !== this.#standing) {
      this.#duplicates.delete(holding);
      return 'type';
    }
    for (const rival of this.#rivals(holding, textOf)) {
      // By its type, for its reason may be about to change.
      if (!isOlder(rival, holding) || rival.type !== holding.type) continue;
      this.#duplicates.add(holding);
      return 'duplicate';
    }
    this.#duplicates.delete(holding);
    return undefined;
  }

  #count(holding: Holding, by: 1 | -1): void {
    const { type } = holding;
    const ofType = (this.#types.get(type) ?? 0) + by;
    if (ofType === 0) this.#types.delete(type);
    else this.#types.set(type, ofType);
    if (by === -1) this.#duplicates.delete(holding);
    if (by === -1 && holding === this.#oldest) this.#oldest = undefined;

    const of = holding.group.names;
    const set = this.#names.get(of.key);
    if (set === undefined) this.#names.set(of.key, { of, count: 1 });
    else if (set.count + by === 0) this.#names.delete(of.key);
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
    if (this.#names.size < 2) return NOBODY;
    const rivals = new Set<Holding>();
    const text = textOf(holding).toString();
    const own = holding.group.names.key;
    for (const series of labelSetsOf(this.name, holding.type, text)) {
      for (const [key, { of: names }] of this.#names) {
        const labels = key === own ? undefined : possibleOwner(names, series);
        const rival = labels && this.#holders.get(groupOrder(names.kind, labels));
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
  return a.stamp === b.stamp ? a.group.id < b.group.id : a.stamp < b.stamp;
}
