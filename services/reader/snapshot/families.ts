/**
 * The families of the snapshot: what groups hold of them, and which of it is kept out of the exposition, by the rules
 * in snapshot.ts. Whenever a group takes, changes or gives up a family, everything that this can affect is decided
 * again.
 */
import { splitSuffix, suffixesOf } from '../../../shared/consistency/suffix-collisions.ts';
import { NOTHING, type FamilyRecord } from '../../../shared/records/family-record.ts';
import type { ExposedText } from './exposed-text.ts';
import { FamilyHolders } from './family-holders.ts';
import { Holding, type FamilyHead, type SnapshotGroup, type Written } from './groups.ts';

export class Families {
  readonly #text: ExposedText;
  readonly #holders = new Map<string, FamilyHolders>();
  readonly #keptOut = new Set<Holding>();
  /** Those that the text does not express completely. */
  readonly #exact = new Set<Holding>();
  #series = 0;
  #bytes = 0;

  constructor(text: ExposedText) {
    this.#text = text;
  }

  get size(): number {
    return this.#holders.size;
  }

  get series(): number {
    return this.#series;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get keptOut(): ReadonlySet<Holding> {
    return this.#keptOut;
  }

  get(name: string): FamilyHolders | undefined {
    return this.#holders.get(name);
  }

  all(): IterableIterator<FamilyHolders> {
    return this.#holders.values();
  }

  /** What is exposed of the families that the text does not express completely, by family and order of the group. */
  exact(): Map<string, Map<string, FamilyHead>> {
    const found = new Map<string, Map<string, FamilyHead>>();
    for (const { head, group, hidden } of this.#exact) {
      if (hidden !== undefined) continue;
      let heads = found.get(head.name);
      if (heads === undefined) {
        heads = new Map();
        found.set(head.name, heads);
      }
      heads.set(group.order, head);
    }
    return found;
  }

  /** The sample lines of the holding, whether it is exposed or kept out. */
  textOf(holding: Holding): Buffer {
    return holding.hidden ?? this.#text.get(holding.name, holding.group);
  }

  /** Sets what the group holds of this family. */
  hold(group: SnapshotGroup, name: string, family: FamilyRecord): void {
    const { text, samples } = family;
    const before = group.holdings.get(name);
    const known = this.#holders.get(name);
    const holders = known ?? new FamilyHolders(name);
    const head = holders.headOf(family);
    const written = writtenBy(family, group.record);
    if (before !== undefined && before.samples > 0 && samples > 0) {
      const { samples: replaced, bytes } = before;
      if (holders.renew(before, head, written)) {
        before.bytes = text.length;
        this.#noteExact(before);
        this.#series += samples - replaced;
        this.#bytes += text.length - bytes;
        this.#text.set(name, group, text);
        return;
      }
    }
    const holding = new Holding(group, head, written, text.length);
    // A family without metrics belongs to the group, but not to the exposition.
    if (samples === 0) {
      if (before !== undefined) this.release(before);
      holding.hidden = NOTHING;
      group.holdings.set(name, holding);
      return;
    }
    if (before !== undefined) this.#forget(before);
    group.holdings.set(name, holding);
    if (known === undefined) this.#holders.set(name, holders);
    this.#series += samples;
    this.#bytes += holding.bytes;
    this.#noteExact(holding);
    this.#text.set(name, group, text, before === undefined);
    this.#change(holders, holding, before, () => holders.set(holding));
  }

  /** Removes the family from its group. */
  release(holding: Holding): void {
    const { name, group } = holding;
    group.holdings.delete(name);
    if (holding.samples === 0) return;
    this.#forget(holding);
    this.#text.delete(name, group);
    const holders = this.#holders.get(name);
    if (holders !== undefined) this.#change(holders, undefined, holding, () => holders.delete(holding));
  }

  #forget(holding: Holding): void {
    if (holding.samples === 0) return;
    this.#series -= holding.samples;
    this.#bytes -= holding.bytes;
    this.#keptOut.delete(holding);
    this.#exact.delete(holding);
  }

  #noteExact(holding: Holding): void {
    if (holding.exact.length > 0) this.#exact.add(holding);
    else this.#exact.delete(holding);
  }

  #change(holders: FamilyHolders, now: Holding | undefined, before: Holding | undefined, change: () => void): void {
    const { suffixes } = holders;
    change();
    this.#review(holders, now, before);
    if (holders.suffixes === suffixes) return;
    for (const suffix of suffixesOf('histogram')) {
      const others = this.#holders.get(holders.name + suffix);
      if (others === undefined) continue;
      for (const holding of others.holdings()) this.#decide(others, holding);
      this.#review(others, undefined, undefined);
    }
  }

  /** Decides all that may be affected when `before` became `now`. */
  #review(holders: FamilyHolders, now: Holding | undefined, before: Holding | undefined): void {
    if (holders.size === 0) {
      this.#holders.delete(holders.name);
      return;
    }
    const affected = holders.affectedBy(now, before, (holding) => this.textOf(holding));
    for (const holding of affected) this.#decide(holders, holding);
  }

  #decide(holders: FamilyHolders, holding: Holding): void {
    const { name, group } = holding;
    holding.reason = this.#clashes(name) ? 'clash' : holders.reasonAgainst(holding, (other) => this.textOf(other));
    if (holding.reason === undefined) {
      if (holding.hidden === undefined) return;
      this.#text.set(name, group, holding.hidden);
      holding.hidden = undefined;
      this.#keptOut.delete(holding);
    } else if (holding.hidden === undefined) {
      holding.hidden = Buffer.from(this.#text.get(name, group));
      this.#text.delete(name, group);
      this.#keptOut.add(holding);
    }
  }

  #clashes(name: string): boolean {
    const split = splitSuffix(name);
    return split !== undefined && (this.#holders.get(split.base)?.suffixes.includes(split.suffix) ?? false);
  }
}

function writtenBy({ stamp, arrivalMs, deadlineMs }: FamilyRecord, newest: SnapshotGroup['record']): Written {
  const isNewest = stamp === newest.top && arrivalMs === newest.pushedMs && deadlineMs === newest.untilMs;
  return isNewest ? newest : { top: stamp, pushedMs: arrivalMs, untilMs: deadlineMs };
}
