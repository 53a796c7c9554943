/**
 * The groups that hold one family: as what type, and which of them contradict each other.
 */
import { possibleOwner, type GroupingNames } from '../../../shared/consistency/series-owners.ts';
import { suffixesOf } from '../../../shared/consistency/suffix-collisions.ts';
import { labelSetsOf } from '../../../shared/exposition/check/label-sets.ts';
import { groupOrder } from '../../../shared/model/group.ts';
import type { MetricType } from '../../../shared/model/metric-family.ts';
import { NOTHING, type FamilyRecord } from '../../../shared/records/family-record.ts';
import type { FamilyHead, Holding, KeptOut, Written } from './groups.ts';

const NO_HOLDINGS: ReadonlySet<Holding> = new Set();

type TextOf = (holding: Holding) => Buffer;

export class FamilyHolders {
  readonly name: string;
  #latestHead: FamilyHead | undefined;
  /** By the groups' order. */
  readonly #holdings = new Map<string, Holding>();
  /** With the number of holdings. */
  readonly #types = new Map<MetricType, number>();
  readonly #names = new Map<string, { readonly of: GroupingNames; count: number }>();

  readonly #duplicates = new Set<Holding>();
  #exposedType: MetricType | undefined;
  /** Undefined until it is needed again. */
  #oldest: Holding | undefined;

  constructor(name: string) {
    this.name = name;
  }

  /** One object for consecutive families with the same head. */
  headOf({ type, samples, help, exact }: FamilyRecord): FamilyHead {
    const latest = this.#latestHead;
    const isExact = exact.length > 0 || (latest !== undefined && latest.exact.length > 0);
    if (!isExact && latest?.type === type && latest.samples === samples && latest.help === help) return latest;
    this.#latestHead = {
      name: this.name,
      type,
      samples,
      help: latest?.help === help ? latest.help : help,
      // Copied, because it is a slice of a larger buffer.
      exact: exact.length === 0 ? NOTHING : Buffer.from(exact),
    };
    return this.#latestHead;
  }

  get size(): number {
    return this.#holdings.size;
  }

  /** The suffixes that its types take: always the same list for the same suffixes. */
  get suffixes(): ReturnType<typeof suffixesOf> {
    let most = suffixesOf('untyped');
    for (const type of this.#types.keys()) if (suffixesOf(type).length > most.length) most = suffixesOf(type);
    return most;
  }

  get(order: string): Holding | undefined {
    return this.#holdings.get(order);
  }

  holdings(): IterableIterator<Holding> {
    return this.#holdings.values();
  }

  /** Replaces what the same group held. */
  set(holding: Holding): void {
    const before = this.#holdings.get(holding.group.order);
    if (before !== undefined) this.#count(before, -1);
    this.#holdings.set(holding.group.order, holding);
    this.#count(holding, 1);
    if (this.#oldest !== undefined && isOlder(holding, this.#oldest)) this.#oldest = holding;
  }

  /**
   * Changes a holding in place if that cannot affect what is exposed, because all holdings have the same type and
   * grouping label names, as in most pushes. Returns false if it can.
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
    if (this.#holdings.delete(holding.group.order)) this.#count(holding, -1);
  }

  /** The holdings that may have to be exposed or kept out after `before` became `now`; either may be missing. */
  affectedBy(now: Holding | undefined, before: Holding | undefined, textOf: TextOf): Iterable<Holding> {
    const typeBefore = this.#exposedType;
    this.#exposedType = this.#types.size > 1 ? this.#findOldest().type : this.#types.keys().next().value;
    if (typeBefore !== undefined && typeBefore !== this.#exposedType) return [...this.#holdings.values()];
    const rivals = now === undefined ? NO_HOLDINGS : this.#rivals(now, textOf);
    if (now !== undefined && rivals.size === 0 && before === undefined) return [now];
    const affected = new Set(now === undefined ? rivals : [now, ...rivals]);
    // Duplicates of `before` have to be decided again. Duplicates are rare, so all of them are.
    if (before !== undefined) for (const holding of this.#duplicates) affected.add(holding);
    return affected;
  }

  /** Why the holding is kept out; undefined if it is exposed. */
  reasonAgainst(holding: Holding, textOf: TextOf): KeptOut | undefined {
    let reason: KeptOut | undefined;
    if (holding.type !== this.#exposedType) reason = 'type';
    else {
      // The reason of a rival does not count here, because it may be about to change; its type does.
      for (const rival of this.#rivals(holding, textOf)) {
        if (rival.type === holding.type && isOlder(rival, holding)) reason = 'duplicate';
      }
    }
    if (reason === 'duplicate') this.#duplicates.add(holding);
    else this.#duplicates.delete(holding);
    return reason;
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
    for (const holding of this.#holdings.values()) {
      if (this.#oldest === undefined || isOlder(holding, this.#oldest)) this.#oldest = holding;
    }
    if (this.#oldest === undefined) throw new Error(`no group holds family ${this.name}`);
    return this.#oldest;
  }

  /** What other groups hold that has a series of this holding. */
  #rivals(holding: Holding, textOf: TextOf): ReadonlySet<Holding> {
    if (this.#names.size < 2) return NO_HOLDINGS;
    const rivals = new Set<Holding>();
    const text = textOf(holding).toString();
    const own = holding.group.names.key;
    for (const series of labelSetsOf(this.name, holding.type, text)) {
      for (const [key, { of: names }] of this.#names) {
        const labels = key === own ? undefined : possibleOwner(names, series);
        const rival = labels && this.#holdings.get(groupOrder(names.kind, labels));
        if (rival === undefined || rival === holding || rivals.has(rival)) continue;
        if (sharesSeries(text, textOf(rival).toString())) rivals.add(rival);
      }
    }
    return rivals;
  }
}

/** Both are rendered in the same way, so the same series has the same text up to its value. */
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
