/**
 * Prepares pushes: small ones at once, large ones in threads, so that other requests do not wait for them. A body that
 * exhausts the memory or the time of a thread ends that thread and fails its own push, nothing else.
 */
import { Piscina } from 'piscina';
import { threadFile } from '../../../shared/async/thread-file.ts';
import { asError, GatewayError } from '../../../shared/errors.ts';
import { preparePush, type PreparedGroup, type PrepareOptions } from './prepare-push.ts';
import type { PrepareReply, PrepareTask } from './prepare-thread.ts';

/** Smaller bodies take at most a few milliseconds to prepare, or less than the way to a thread and back. */
const SMALL_BYTES = 64 * 1024;
/** Heap of a thread. */
const HEAP_MB = 1_024;
/** Time that a push may wait for a thread, and that it may take in it. */
const TIMEOUT_MS = 30_000;
/** Maximum of pushes that wait for a thread. Piscina's own limit does not apply to tasks that can be aborted. */
const MAX_WAITING = 256;
/** Time after which an idle thread ends. */
const IDLE_MS = 60_000;

export class PreparePool {
  readonly #pool: Piscina<PrepareTask, PrepareReply>;
  #freeThreads: number;
  /** In order of arrival. */
  readonly #waiting = new Set<() => void>();

  constructor(threads: number) {
    this.#freeThreads = threads;
    this.#pool = new Piscina({
      filename: threadFile('prepare-thread', import.meta.url),
      minThreads: 0,
      maxThreads: threads,
      idleTimeout: IDLE_MS,
      // The default, 'sync', blocks the event loop of a thread between tasks.
      atomics: 'disabled',
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB },
      recordTiming: false,
    });
    // A thread can run out of memory after its push has timed out. Without a listener this would end the process.
    this.#pool.on('error', () => {});
  }

  /** Throws what preparePush throws, `push_too_large` for a body that exhausts a thread, and `overloaded`. */
  async prepare(body: Buffer, options: PrepareOptions): Promise<readonly PreparedGroup[]> {
    if (body.length < SMALL_BYTES) return preparePush(body, options);
    await this.#takeThread();
    try {
      const copy = new ArrayBuffer(body.length);
      body.copy(new Uint8Array(copy));
      const reply = await this.#pool
        .run({ ...options, body: copy }, { transferList: [copy], signal: AbortSignal.timeout(TIMEOUT_MS) })
        .catch((thrown: unknown) => {
          throw explain(asError(thrown));
        });
      if ('groups' in reply) return reply.groups;
      throw new GatewayError(reply.code, reply.message);
    } finally {
      this.#giveThread();
    }
  }

  async destroy(): Promise<void> {
    await this.#pool.destroy();
  }

  /** Resolves when a thread is free, so that the timeout of a task does not include the tasks before it. */
  async #takeThread(): Promise<void> {
    if (this.#freeThreads > 0) {
      this.#freeThreads--;
      return;
    }
    if (this.#waiting.size >= MAX_WAITING) throw overloaded();
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(take);
        reject(overloaded());
      }, TIMEOUT_MS);
      const take = (): void => {
        clearTimeout(timer);
        resolve();
      };
      this.#waiting.add(take);
    });
  }

  #giveThread(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#freeThreads++;
      return;
    }
    this.#waiting.delete(next);
    next();
  }
}

function overloaded(): GatewayError {
  return new GatewayError('overloaded', 'too many large pushes are in flight; try again later');
}

function explain(error: Error): Error {
  if (error.name === 'AbortError') return tooLarge(`the push takes more than ${TIMEOUT_MS / 1_000} s to read`);
  const isOutOfMemory = 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY';
  return isOutOfMemory ? tooLarge(`the push needs more than ${HEAP_MB} MB of memory to be read`) : error;
}

function tooLarge(reason: string): GatewayError {
  return new GatewayError('push_too_large', `${reason}: split it`);
}
