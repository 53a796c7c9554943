/**
 * Prepares pushes: small ones at once, large ones in threads, so that other requests do not wait for them. A body that
 * exhausts the memory or the time of a thread ends that thread and fails its own push, nothing else.
 */
import { Piscina } from 'piscina';
import { threadFile } from '../../../shared/async/thread-file.ts';
import { asError, GatewayError } from '../../../shared/errors.ts';
import { joined, lengthOf } from '../../../shared/http/body/body-chunks.ts';
import type { Hold } from '../../../shared/http/body/inflight-bytes.ts';
import { preparePush, type PreparedGroup, type PrepareOptions } from './prepare-push.ts';
import type { PrepareReply, PrepareTask } from './prepare-thread.ts';
import { ThreadTurns } from './thread-turns.ts';

const MiB = 1024 * 1024;

/**
 * Smaller bodies take at most a few milliseconds to prepare, or less than the way to a thread and back, unless they
 * become much larger.
 */
const SMALL_BYTES = 64 * 1024;
const SMALL_TEXT_LENGTH = MiB;
/** Heap of a thread, MB: what remains in use, and what a push of the largest size needs for each of its MB. */
const BASE_HEAP_MB = 128;
const HEAP_MB_PER_MB = 24;
/** Inflated bytes that a thread prepares in a ms, and how many of them a compressed byte becomes; both estimated. */
const BYTES_PER_MS = 16 * 1024;
const INFLATION = 10;
/** Time that a push may wait for a thread, and that it may take in it. */
const TIMEOUT_MS = 30_000;
/** Time after which an idle thread ends. */
const IDLE_MS = 60_000;

export class PreparePool {
  readonly #pool: Piscina<PrepareTask, PrepareReply>;
  readonly #turns: ThreadTurns;
  readonly #heapMb: number;

  /** `threads`: for pushes that take long; there is one more for others. `maxBodyBytes`: of an inflated body. */
  constructor(threads: number, maxBodyBytes: number) {
    this.#heapMb = BASE_HEAP_MB + Math.ceil((HEAP_MB_PER_MB * maxBodyBytes) / MiB);
    this.#turns = new ThreadTurns(threads + 1, TIMEOUT_MS);
    this.#pool = new Piscina({
      filename: threadFile('prepare-thread', import.meta.url),
      minThreads: 0,
      maxThreads: threads + 1,
      idleTimeout: IDLE_MS,
      // The default, 'sync', blocks the event loop of a thread between tasks.
      atomics: 'disabled',
      resourceLimits: { maxOldGenerationSizeMb: this.#heapMb },
      recordTiming: false,
    });
    // A thread can run out of memory after its push has timed out. Without a listener this would end the process.
    this.#pool.on('error', () => {});
  }

  /**
   * Throws what preparePush throws, `push_too_large` for a body that exhausts a thread, and `overloaded`. `hold`: what
   * the push holds; it gives way while it waits for a thread. `chunks`: of the body; cannot be used afterwards.
   */
  async prepare(chunks: readonly Buffer[], options: PrepareOptions, hold: Hold): Promise<readonly PreparedGroup[]> {
    const bytes = lengthOf(chunks);
    if (bytes < SMALL_BYTES) {
      try {
        const limited = { ...options, maxBytes: SMALL_BYTES, maxTextLength: SMALL_TEXT_LENGTH };
        return preparePush(joined(chunks), limited);
      } catch (thrown) {
        if (!(thrown instanceof GatewayError) || thrown.code !== 'push_too_large') throw thrown;
        // It may be small enough for a thread.
      }
    }
    const costMs = ((options.encoding === undefined ? 1 : INFLATION) * bytes) / BYTES_PER_MS;
    const give = await this.#turns
      .take(hold.client, costMs, (refuse) => hold.giveWay(refuse))
      .finally(() => hold.keep());
    try {
      const own = chunks.map(ownMemory);
      const transferList = own.map(({ buffer }) => buffer);
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      const reply = await this.#pool
        .run({ ...options, chunks: own }, { transferList, signal })
        .catch((thrown: unknown) => {
          throw this.#explain(asError(thrown));
        });
      if ('groups' in reply) return reply.groups;
      throw new GatewayError(reply.code, reply.message);
    } finally {
      give();
    }
  }

  async destroy(): Promise<void> {
    await this.#pool.destroy();
  }

  #explain(error: Error): Error {
    if (error.name === 'AbortError') return tooLarge(`the push takes more than ${TIMEOUT_MS / 1_000} s to read`);
    const isOutOfMemory = 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY';
    return isOutOfMemory ? tooLarge(`the push needs more than ${this.#heapMb} MB of memory to be read`) : error;
  }
}

/** With memory that belongs to the chunk alone: the chunk, or a copy. */
function ownMemory(chunk: Buffer): Uint8Array<ArrayBuffer> {
  const { buffer, byteLength } = chunk;
  return buffer instanceof ArrayBuffer && buffer.byteLength === byteLength
    ? new Uint8Array(buffer)
    : new Uint8Array(chunk);
}

function tooLarge(reason: string): GatewayError {
  return new GatewayError('push_too_large', `${reason}: split it`);
}
