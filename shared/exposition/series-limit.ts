/** Thrown at the first series that is too many. */
export class TooManySeriesError extends Error {
  readonly max: number;

  constructor(max: number) {
    super(`more than ${max} series`);
    this.name = 'TooManySeriesError';
    this.max = max;
  }
}

/** Counts series while they are read: a body with too many must not fill the memory first. */
export class SeriesLimit {
  readonly #max: number;
  #count = 0;

  constructor(max = Infinity) {
    this.#max = max;
  }

  /** Throws TooManySeriesError. */
  addOne(): void {
    if (++this.#count > this.#max) throw new TooManySeriesError(this.#max);
  }
}
