/** The text of the exposition, ready to send: whole, and in partitions for scrapers that share it. */
import { NOTHING } from '../../../shared/records/family-record.ts';
import { ExpositionText, type HeaderOf } from '../text/exposition-text.ts';
import { PartitionedText, type HoldingText } from '../text/partitioned-text.ts';
import type { ReadableText } from '../text/text-chunks.ts';
import type { SnapshotGroup } from './groups.ts';

/** Memory that a change takes besides its text and the name of its family, or more. */
const CHANGE_BYTES = 256;

export class ExposedText {
  readonly #groups: ReadonlyMap<string, SnapshotGroup>;
  readonly #whole: ExpositionText;
  readonly #partitioned: PartitionedText;
  #version = 0;
  /** Memory of the changes since `late` returned any texts, at most. New text is no change: it is needed anyway. */
  #changedBytes = 0;

  constructor(groups: ReadonlyMap<string, SnapshotGroup>, headerOf: HeaderOf) {
    this.#groups = groups;
    this.#whole = new ExpositionText(headerOf);
    this.#partitioned = new PartitionedText(headerOf, () => this.#holdingTexts());
  }

  /** Changes whenever the text does. */
  get version(): number {
    return this.#version;
  }

  get whole(): ExpositionText {
    return this.#whole;
  }

  /** Partition `i` of `n`; undefined if it is not kept. */
  async partition(i: number, n: number, nowMs: number): Promise<ReadableText | undefined> {
    return n === 1 ? this.#whole : await this.#partitioned.partition(i, n, nowMs);
  }

  /** Partition `i` of `n` if it is kept already. */
  kept(i: number, n: number): ReadableText | undefined {
    return n === 1 ? this.#whole : this.#partitioned.kept(i, n);
  }

  /** If changes of more than `bytes` may wait for the next reader: the texts in which they wait. */
  late(bytes: number): ReadableText[] {
    if (this.#changedBytes <= bytes) return [];
    this.#changedBytes = 0;
    return [this.#whole, ...this.#partitioned.all()];
  }

  /** Drops partitions that have not been requested for long. */
  expire(nowMs: number): void {
    this.#partitioned.expire(nowMs);
  }

  get(family: string, group: SnapshotGroup): Buffer {
    return this.#whole.get(family, group.order) ?? NOTHING;
  }

  /** `isNew`: there is no text of this family and group yet. */
  set(family: string, group: SnapshotGroup, text: Buffer | string, isNew = false): void {
    this.#version++;
    this.#partitioned.set(family, group.order, group.id, text);
    if (isNew) this.#whole.add(family, group.order, text);
    else {
      this.#changedBytes += CHANGE_BYTES + family.length + text.length;
      this.#whole.set(family, group.order, text);
    }
  }

  delete(family: string, group: SnapshotGroup): void {
    this.#version++;
    this.#changedBytes += CHANGE_BYTES + family.length;
    this.#whole.delete(family, group.order);
    this.#partitioned.delete(family, group.order, group.id);
  }

  /** In the order of the exposition, so that texts lie side by side; each is current when it is yielded. */
  *#holdingTexts(): Generator<HoldingText> {
    const ids = new Map(Array.from(this.#groups.values(), ({ order, id }) => [order, id]));
    for (const { family, order, text } of this.#whole.texts()) {
      const groupId = ids.get(order);
      // A group that came later was set in the partitions directly.
      if (groupId !== undefined) yield { family, order, groupId, text };
    }
  }
}
