/**
 * The exposition divided among several scrapers: part i of n has the groups whose ID falls to i. The parts are disjoint, and
 * together they are all. They are made when somebody first asks for a division, kept up to date from then on, and dropped
 * when nobody has asked for long.
 */
import { shardOf } from '../../../shared/model/group.ts';
import { Slices } from '../../../shared/async/time-slices.ts';
import { ExpositionText, type HeaderOf } from './exposition-text.ts';
import type { ReadableText } from './text-parts.ts';

/** Divisions kept at a time, but for those that are being made: each holds all texts once more. */
const MAX_DIVISIONS = 2;
const UNUSED_MS = 10 * 60_000;

/** What is shown of a family of a group. */
export interface ShownText {
  readonly family: string;
  readonly order: string;
  readonly groupId: string;
  readonly text: Buffer;
}

interface Division {
  readonly parts: readonly ExpositionText[];
  readonly made: Promise<void>;
  isMade: boolean;
  usedMs: number;
}

export class DividedText {
  readonly #headerOf: HeaderOf;
  /** All that is shown, as it is when its turn comes. */
  readonly #shown: () => Iterable<ShownText>;
  readonly #divisions = new Map<number, Division>();

  constructor(headerOf: HeaderOf, shown: () => Iterable<ShownText>) {
    this.#headerOf = headerOf;
    this.#shown = shown;
  }

  set(family: string, order: string, groupId: string, text: Buffer | string): void {
    for (const [n, { parts }] of this.#divisions) parts[shardOf(groupId, n)]?.set(family, order, text);
  }

  delete(family: string, order: string, groupId: string): void {
    for (const [n, { parts }] of this.#divisions) parts[shardOf(groupId, n)]?.delete(family, order);
  }

  /** Drops divisions that nobody asked for any more. */
  expire(nowMs: number): void {
    for (const [n, { usedMs }] of this.#divisions) if (nowMs - usedMs > UNUSED_MS) this.#divisions.delete(n);
  }

  /** Part `i` of `n`; i < n. What changes while a division is made comes by `set` and `delete`. */
  async part(i: number, n: number, nowMs: number): Promise<ReadableText> {
    let division = this.#divisions.get(n);
    if (division === undefined) {
      this.#makeRoom();
      const parts = Array.from({ length: n }, () => new ExpositionText(this.#headerOf));
      division = { parts, made: this.#make(parts, this.#shown()), isMade: false, usedMs: nowMs };
      this.#divisions.set(n, division);
    }
    division.usedMs = nowMs;
    await division.made;
    division.isMade = true;
    return division.parts[i] as ExpositionText;
  }

  /** Whoever waits for one that is being made would miss the changes after it was dropped. */
  #makeRoom(): void {
    const made = [...this.#divisions]
      .filter(([, { isMade }]) => isMade)
      .toSorted(([, a], [, b]) => a.usedMs - b.usedMs);
    for (const [n] of made) {
      if (this.#divisions.size < MAX_DIVISIONS) return;
      this.#divisions.delete(n);
    }
  }

  async #make(parts: readonly ExpositionText[], shown: Iterable<ShownText>): Promise<void> {
    const slices = new Slices();
    const partOf = new Map<string, ExpositionText>();
    for (const { family, order, groupId, text } of shown) {
      let part = partOf.get(groupId);
      if (part === undefined) {
        part = parts[shardOf(groupId, parts.length)] as ExpositionText;
        partOf.set(groupId, part);
      }
      part.set(family, order, text);
      if (slices.isOver) await slices.next();
    }
  }
}
