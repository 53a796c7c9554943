/**
 * Limits on what a push may contain, checked while it is read, so that a body with too much of something is refused
 * before it takes long or fills the memory. The constants are far above what clients write.
 */
import { GatewayError } from '../errors.ts';
import { quote } from '../model/quote.ts';

/** Labels of a series, or of an exemplar. */
const MAX_LABELS = 1_000;
/** Buckets, spans or exemplars of a histogram, or quantiles of a summary. */
const MAX_PARTS = 10_000;
/** Length of a name, a label value, a help or a unit, in characters (UTF-16). */
const MAX_STRING_LENGTH = 65_536;
/** Bytes of a body for each label and each part. A label with a name and a value of one character takes 8. */
const BYTES_PER_ELEMENT = 8;
/** Labels and parts that any body may have. */
const SPARE_ELEMENTS = 1_000;

interface Limits {
  readonly maxSeries: number;
  readonly maxFamilies: number;
  /** Size of the body. */
  readonly bodyBytes: number;
}

/** What is left of the limits. All methods throw GatewayError `push_too_large`. */
export class PushLimits {
  readonly #maxSeries: number;
  readonly #maxFamilies: number;
  readonly #maxElements: number;
  readonly #maxLabels: number = Infinity;
  readonly #maxParts: number = Infinity;
  readonly #maxLength: number = Infinity;
  #series = 0;
  #families = 0;
  #elements = 0;

  /** Without limits, for what was accepted before. */
  constructor(limits?: Limits) {
    this.#maxSeries = limits?.maxSeries ?? Infinity;
    this.#maxFamilies = limits?.maxFamilies ?? Infinity;
    this.#maxElements = limits === undefined ? Infinity : SPARE_ELEMENTS + limits.bodyBytes / BYTES_PER_ELEMENT;
    if (limits === undefined) return;
    this.#maxLabels = MAX_LABELS;
    this.#maxParts = MAX_PARTS;
    this.#maxLength = MAX_STRING_LENGTH;
  }

  addSeries(): void {
    if (++this.#series <= this.#maxSeries) return;
    refuse(`the push has more than the ${this.#maxSeries} series allowed (--push.max-series-per-push): split it`);
  }

  addFamily(): void {
    if (++this.#families <= this.#maxFamilies) return;
    refuse(`the push has more than the ${this.#maxFamilies} families allowed (--push.max-families-per-push): split it`);
  }

  /** `before`: number of labels that the series has already. */
  addLabel(before: number): void {
    if (before >= this.#maxLabels) refuse(`a series or exemplar has more than the ${MAX_LABELS} labels allowed`);
    this.#addElement();
  }

  /** `before`: number of parts of this kind that the metric has already. */
  addPart(before: number): void {
    if (before >= this.#maxParts) this.#refuseParts();
    this.#addElement();
  }

  /** For a part that is a number. */
  addNumber(before: number): void {
    if (before >= this.#maxParts) this.#refuseParts();
  }

  /** `what`: such as `label value`. */
  checkString(text: string, what: string): void {
    if (text.length <= this.#maxLength) return;
    refuse(`the ${what} ${quote(text)} has ${text.length} characters, more than the ${MAX_STRING_LENGTH} allowed`);
  }

  #addElement(): void {
    if (++this.#elements <= this.#maxElements) return;
    refuse('the push has more labels, buckets, spans, exemplars and quantiles than one for each 8 bytes: split it');
  }

  #refuseParts(): never {
    refuse(`a metric has more than the ${MAX_PARTS} buckets, spans, exemplars or quantiles allowed`);
  }
}

export const NO_LIMITS = new PushLimits();

function refuse(reason: string): never {
  throw new GatewayError('push_too_large', reason);
}
