/** Families as text, ready to send: for each family a header, then its sample lines, group by group. Pure. */
import { renderHeader } from '../../../shared/exposition/text/render-text.ts';
import type { MetricType } from '../../../shared/model/metric-family.ts';
import type { Entry } from './bulk-load.ts';
import { SegmentedText } from './segmented-text.ts';
import type { ReadableText, TextChunks } from './text-chunks.ts';

/** Help and type of a family in the group at `order`; undefined if that group exposes no such family. */
export type HeaderOf = (
  family: string,
  order: string,
) => { readonly help: string; readonly type: MetricType } | undefined;

/** Order of a header: before all groups. */
const HEADER_ORDER = '';

export class ExpositionText implements ReadableText {
  readonly #headerOf: HeaderOf;
  readonly #text = new SegmentedText();
  /** The headers that are in the text, by family. */
  readonly #headers = new Map<string, string>();
  /**
   * Families whose header may be outdated. Finding the first group joins segments, so it is left to the next reader.
   */
  readonly #stale = new Set<string>();

  constructor(headerOf: HeaderOf) {
    this.#headerOf = headerOf;
  }

  /** As `set`, for a key that has no text yet. Cheaper before the first read. */
  add(family: string, order: string, text: Buffer | string): number {
    this.#stale.add(family);
    return this.#text.add(family, order, text);
  }

  /**
   * Copies the text. `order` is the group's place within the family, and not ''. Returns the size of the text in bytes.
   */
  set(family: string, order: string, text: Buffer | string): number {
    this.#stale.add(family);
    return this.#text.set(family, order, text);
  }

  delete(family: string, order: string): void {
    this.#text.delete(family, order);
    this.#stale.add(family);
  }

  get(family: string, order: string): Buffer | undefined {
    return this.#text.get(family, order);
  }

  /**
   * All texts but the headers, in order. Changes during the iteration are seen if they come after the current place.
   */
  *texts(): Generator<{ readonly family: string; readonly order: string; readonly text: Buffer }> {
    for (let key = this.#text.next('', ''); key !== undefined; key = this.#text.next(key.family, key.order)) {
      const { family, order } = key;
      const text = order === HEADER_ORDER ? undefined : this.#text.get(family, order);
      if (text !== undefined) yield { family, order, text };
    }
  }

  applyPending(isOver: () => boolean): number {
    const left = this.#text.applyPending(isOver);
    if (left > 0) return left + this.#stale.size;
    // Now the first group of a family is found without joining. What changes waits for the next round.
    return this.#renderHeaders(isOver) + this.#stale.size;
  }

  chunks(): TextChunks {
    this.#renderHeaders();
    return this.#text.chunks();
  }

  entries(): Iterable<Entry> {
    this.#renderHeaders();
    return this.#text.entries();
  }

  /** The header of a family is that of its first group. Returns how many have changed. */
  #renderHeaders(isOver = () => false): number {
    const changed: { readonly family: string; readonly header: string | undefined }[] = [];
    for (const family of this.#stale) {
      this.#stale.delete(family);
      const first = this.#text.next(family, HEADER_ORDER);
      const head = first?.family === family ? this.#headerOf(family, first.order) : undefined;
      const header = head && renderHeader(family, head.help, head.type);
      if (header !== this.#headers.get(family)) changed.push({ family, header });
      if (isOver()) break;
    }
    for (const { family, header } of changed) {
      if (header === undefined) {
        this.#headers.delete(family);
        this.#text.delete(family, HEADER_ORDER);
      } else {
        this.#headers.set(family, header);
        this.#text.set(family, HEADER_ORDER, header);
      }
    }
    return changed.length;
  }
}
