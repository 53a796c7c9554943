import { GatewayError } from '../errors.ts';

/** Counts series while they are read, so that a body with too many is refused before it fills the memory. */
export class SeriesLimit {
  readonly #max: number;
  #count = 0;

  constructor(max = Infinity) {
    this.#max = max;
  }

  /** Throws GatewayError `push_too_large`. */
  addOne(): void {
    if (++this.#count <= this.#max) return;
    const why = `the push has more than the ${this.#max} series allowed (--push.max-series-per-push): split it`;
    throw new GatewayError('push_too_large', why);
  }
}
