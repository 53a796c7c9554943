/**
 * Room for many short texts that wait a while: one allocation for dozens of them, and an object of three fields for each, where
 * a Buffer of its own would cost more than most of them are long.
 */

/** A text within a larger buffer; UTF-8. */
export interface Slice {
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
}

/** A slab lives as long as one of its texts: a larger one would hold on to more that nobody wants. */
const SLAB_BYTES = 16 * 1024;
/** What is larger gets a slab of its own. */
const LARGE_BYTES = SLAB_BYTES / 4;
const UTF8_MAX = 3;

export class TextSlab {
  #bytes = Buffer.alloc(0);
  #used = 0;

  /** A copy of the text. */
  put(text: Buffer | string): Slice {
    const most = typeof text === 'string' ? UTF8_MAX * text.length : text.length;
    if (most > LARGE_BYTES) {
      const bytes = Buffer.from(text);
      return { bytes, start: 0, end: bytes.length };
    }
    if (this.#used + most > this.#bytes.length) {
      this.#bytes = Buffer.allocUnsafeSlow(SLAB_BYTES);
      this.#used = 0;
    }
    const bytes = this.#bytes;
    const start = this.#used;
    this.#used += typeof text === 'string' ? bytes.write(text, start) : text.copy(bytes, start);
    return { bytes, start, end: this.#used };
  }
}
