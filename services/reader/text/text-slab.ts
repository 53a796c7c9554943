/**
 * Storage for many short texts: one allocation holds dozens of them, and each costs an object of three fields. A Buffer
 * for each would usually be larger than the text itself.
 */

/** A UTF-8 text within a larger buffer. */
export interface Slice {
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
}

/** Kept small, because a slab stays in memory as long as any of its texts. */
const SLAB_BYTES = 16 * 1024;
/** A text that may be larger than this gets a buffer of its own. */
const LARGE_BYTES = SLAB_BYTES / 4;
/** Maximum number of bytes that one UTF-16 code unit takes in UTF-8. */
export const UTF8_MAX_BYTES = 3;

export class TextSlab {
  #bytes = Buffer.alloc(0);
  #used = 0;

  /** Copies the text. */
  put(text: Buffer | string): Slice {
    const maxBytes = typeof text === 'string' ? UTF8_MAX_BYTES * text.length : text.length;
    if (maxBytes > LARGE_BYTES) {
      const bytes = Buffer.from(text);
      return { bytes, start: 0, end: bytes.length };
    }
    if (this.#used + maxBytes > this.#bytes.length) {
      this.#bytes = Buffer.allocUnsafeSlow(SLAB_BYTES);
      this.#used = 0;
    }
    const bytes = this.#bytes;
    const start = this.#used;
    this.#used += typeof text === 'string' ? bytes.write(text, start) : text.copy(bytes, start);
    return { bytes, start, end: this.#used };
  }
}
