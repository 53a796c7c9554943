/**
 * Families as text, ready to send: for each a header, then its sample lines, group by group. Pure.
 */
import { renderHeader } from '../../../shared/exposition/text/render-text.ts';
import type { MetricType } from '../../../shared/model/metric-family.ts';
import { SegmentedText } from './segmented-text.ts';
import type { ReadableText, TextParts } from './text-parts.ts';

/** What a group says of a family; undefined when it has none that is shown. */
export type HeaderOf = (
  family: string,
  order: string,
) => { readonly help: string; readonly type: MetricType } | undefined;

/** The place of a header: before all groups. */
const HEADER = '';

export class ExpositionText implements ReadableText {
  readonly #headerOf: HeaderOf;
  readonly #text = new SegmentedText();
  /** By family, as they are in the text. */
  readonly #headers = new Map<string, string>();
  /** Families whose header may not be right any more. Finding out joins texts, so it waits until somebody reads. */
  readonly #stale = new Set<string>();

  constructor(headerOf: HeaderOf) {
    this.#headerOf = headerOf;
  }

  /** As `set`, for what has no text yet. As long as nobody has read, it costs less. */
  add(family: string, order: string, text: Buffer | string): number {
    this.#stale.add(family);
    return this.#text.add(family, order, text);
  }

  /** `order` is the group's place within the family, not ''. The text is copied. Returns how many bytes it has. */
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

  /** In order, without headers, each as it is when its turn comes. */
  *texts(): Generator<{ readonly family: string; readonly order: string; readonly text: Buffer }> {
    for (let key = this.#text.next('', ''); key !== undefined; key = this.#text.next(key.family, key.order)) {
      const { family, order } = key;
      const text = order === HEADER ? undefined : this.#text.get(family, order);
      if (text !== undefined) yield { family, order, text };
    }
  }

  tidy(isOver: () => boolean): number {
    return this.#text.tidy(isOver);
  }

  parts(): TextParts {
    this.#renderHeaders();
    return this.#text.parts();
  }

  /** A header says what the first group says. */
  #renderHeaders(): void {
    const changed: { readonly family: string; readonly header: string | undefined }[] = [];
    for (const family of this.#stale) {
      const first = this.#text.next(family, HEADER);
      const said = first?.family === family ? this.#headerOf(family, first.order) : undefined;
      const header = said && renderHeader(family, said.help, said.type);
      if (header !== this.#headers.get(family)) changed.push({ family, header });
    }
    this.#stale.clear();
    for (const { family, header } of changed) {
      if (header === undefined) {
        this.#headers.delete(family);
        this.#text.delete(family, HEADER);
      } else {
        this.#headers.set(family, header);
        this.#text.set(family, HEADER, header);
      }
    }
  }
}
