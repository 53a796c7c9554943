/** The chunks of a body as they arrive. */
import { GatewayError } from '../../errors.ts';

/** Smaller chunks are collected in a block, because each takes some hundred bytes more than it holds. */
const SMALL_BYTES = 16 * 1024;
const MIN_BLOCK_BYTES = 4 * 1024;
const MAX_BLOCK_BYTES = 64 * 1024;

/** Each chunk takes about a microsecond, so that many small ones would keep other requests waiting. */
const SPARE_CHUNKS = 1_000;
const BYTES_PER_CHUNK = 16;
const CHUNKS_PER_MS = 1;

const NO_BLOCK = Buffer.alloc(0);

/** The client should be cut off. */
export class ManyChunksError extends GatewayError {
  constructor() {
    super('request_invalid', 'the body arrives in too many chunks of a few bytes');
  }
}

export class BodyChunks {
  readonly #chunks: Buffer[] = [];
  readonly #budget = new ChunkBudget();
  #length = 0;
  #memory = 0;
  #block = NO_BLOCK;
  /** Used bytes of the block. */
  #used = 0;

  get length(): number {
    return this.#length;
  }

  /** Bytes of memory. */
  get memory(): number {
    return this.#memory;
  }

  /** Throws ManyChunksError. */
  add(chunk: Buffer): void {
    this.#length += chunk.length;
    if (!this.#budget.take(chunk.length)) throw new ManyChunksError();
    // The only chunk of most bodies is used as it is.
    if (this.#length === chunk.length || chunk.length >= SMALL_BYTES) this.#push(chunk);
    else this.#copy(chunk);
  }

  /** The body, in as many buffers as it takes. */
  finish(): readonly Buffer[] {
    this.#endBlock();
    return this.#chunks;
  }

  #push(chunk: Buffer): void {
    this.#endBlock();
    this.#chunks.push(chunk);
    this.#memory += chunk.length;
  }

  #copy(chunk: Buffer): void {
    if (this.#used + chunk.length > this.#block.length) {
      const bytes = Math.max(MIN_BLOCK_BYTES, chunk.length, Math.min(MAX_BLOCK_BYTES, 2 * this.#block.length));
      this.#endBlock();
      this.#block = Buffer.allocUnsafeSlow(bytes);
      this.#memory += bytes;
    }
    this.#used += chunk.copy(this.#block, this.#used);
  }

  #endBlock(): void {
    if (this.#used === 0) return;
    this.#chunks.push(this.#block.subarray(0, this.#used));
    this.#block = this.#block.subarray(this.#used);
    this.#used = 0;
  }
}

/** Limits the number of chunks by their bytes and by time, so that slow clients may send a few bytes at a time. */
export class ChunkBudget {
  #chunks = 0;
  #bytes = 0;
  #sinceMs = 0;

  /** False if there are too many. */
  take(bytes: number): boolean {
    this.#bytes += bytes;
    if (++this.#chunks <= SPARE_CHUNKS + this.#bytes / BYTES_PER_CHUNK) {
      if (this.#chunks === 2) this.#sinceMs = performance.now();
      return true;
    }
    const allowed = SPARE_CHUNKS + this.#bytes / BYTES_PER_CHUNK;
    return this.#chunks <= allowed + (performance.now() - this.#sinceMs) * CHUNKS_PER_MS;
  }
}

export function lengthOf(chunks: readonly Buffer[]): number {
  let length = 0;
  for (const chunk of chunks) length += chunk.length;
  return length;
}

/** The body in one buffer. */
export function joined(chunks: readonly Buffer[]): Buffer {
  const [only] = chunks;
  return chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks);
}
