/**
 * The exposition in n partitions, for n scrapers that share it. Partition i holds the groups whose ID hashes to i, so
 * partitions are disjoint and together hold all groups. A set of partitions is built when a scraper first requests one
 * of them, kept up to date from then on, and dropped when it has not been requested for UNUSED_MS. A scraper that
 * requests more sets than are kept gets its partition rendered for it (scrape/render-scrape.ts): it cannot displace the
 * sets of others.
 */
import { shardOf } from '../../../shared/model/group.ts';
import { Slices } from '../../../shared/async/time-slices.ts';
import { ExpositionText, type HeaderOf } from './exposition-text.ts';
import type { ReadableText } from './text-chunks.ts';

/** Maximum number of sets: each holds a copy of the whole exposition. */
const MAX_SETS = 2;
/** Time after which a set that is not requested may be dropped for another one, and after which it is dropped. */
const REPLACEABLE_MS = 2 * 60_000;
const UNUSED_MS = 10 * 60_000;

/** The exposed text of one family in one group. */
export interface HoldingText {
  readonly family: string;
  readonly order: string;
  readonly groupId: string;
  readonly text: Buffer;
}

interface PartitionSet {
  readonly partitions: readonly ExpositionText[];
  readonly built: Promise<void>;
  isBuilt: boolean;
  usedMs: number;
}

export class PartitionedText {
  readonly #headerOf: HeaderOf;
  /** Iterates over the whole exposition; each text is current when it is yielded. */
  readonly #holdingTexts: () => Iterable<HoldingText>;
  /** By number of partitions. */
  readonly #sets = new Map<number, PartitionSet>();

  constructor(headerOf: HeaderOf, holdingTexts: () => Iterable<HoldingText>) {
    this.#headerOf = headerOf;
    this.#holdingTexts = holdingTexts;
  }

  set(family: string, order: string, groupId: string, text: Buffer | string): void {
    for (const [n, { partitions }] of this.#sets) partitions[shardOf(groupId, n)]?.set(family, order, text);
  }

  delete(family: string, order: string, groupId: string): void {
    for (const [n, { partitions }] of this.#sets) partitions[shardOf(groupId, n)]?.delete(family, order);
  }

  /** Drops the sets that have not been requested for UNUSED_MS. */
  expire(nowMs: number): void {
    for (const [n, { usedMs }] of this.#sets) if (nowMs - usedMs > UNUSED_MS) this.#sets.delete(n);
  }

  /**
   * Partition `i` of `n`; i < n. Undefined if there is no room for this set. Changes that arrive while a set is being
   * built reach it by `set` and `delete`.
   */
  async partition(i: number, n: number, nowMs: number): Promise<ReadableText | undefined> {
    let set = this.#sets.get(n);
    if (set === undefined) {
      if (!this.#makeRoom(nowMs)) return undefined;
      const partitions = Array.from({ length: n }, () => new ExpositionText(this.#headerOf));
      set = { partitions, built: this.#build(partitions), isBuilt: false, usedMs: nowMs };
      this.#sets.set(n, set);
    }
    set.usedMs = nowMs;
    await set.built;
    set.isBuilt = true;
    return set.partitions[i];
  }

  /** Partition `i` of `n` if its set is kept already. */
  kept(i: number, n: number): ReadableText | undefined {
    const set = this.#sets.get(n);
    return set?.isBuilt === true ? set.partitions[i] : undefined;
  }

  /** The partitions of all sets that are kept. */
  all(): ReadableText[] {
    return [...this.#sets.values()].flatMap(({ partitions, isBuilt }) => (isBuilt ? partitions : []));
  }

  /** Whether a set may be built: one at a time, in place of the one unused for longest if that is long enough. */
  #makeRoom(nowMs: number): boolean {
    const sets = [...this.#sets].toSorted(([, a], [, b]) => a.usedMs - b.usedMs);
    if (sets.some(([, { isBuilt }]) => !isBuilt)) return false;
    const [oldest] = sets;
    if (oldest === undefined || sets.length < MAX_SETS) return true;
    const [n, { usedMs }] = oldest;
    if (nowMs - usedMs <= REPLACEABLE_MS) return false;
    return this.#sets.delete(n);
  }

  async #build(partitions: readonly ExpositionText[]): Promise<void> {
    const slices = new Slices();
    const byGroup = new Map<string, ExpositionText>();
    for (const { family, order, groupId, text } of this.#holdingTexts()) {
      let partition = byGroup.get(groupId);
      if (partition === undefined) {
        partition = partitions[shardOf(groupId, partitions.length)] as ExpositionText;
        byGroup.set(groupId, partition);
      }
      partition.set(family, order, text);
      if (slices.isOver) await slices.next();
    }
  }
}
