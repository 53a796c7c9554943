/**
 * Prepares pushes: small ones here and now, large ones in threads, so that the others do not wait for them. A body that
 * exhausts a thread's memory or time takes down that thread and its own push, nothing else.
 */
import { Piscina } from 'piscina';
import { threadFile } from '../../../shared/async/thread-file.ts';
import { asError, GatewayError } from '../../../shared/errors.ts';
import { preparePush, type PreparedGroup, type PrepareOptions } from './prepare-push.ts';
import type { PrepareReply, PrepareTask } from './prepare-thread.ts';

/** Bodies below this cost less to prepare than to send to a thread and back, or a few milliseconds. */
const SMALL_BYTES = 64 * 1024;
const HEAP_MB = 1_024;
const TIMEOUT_MS = 30_000;
/** Pushes that wait for a thread; Piscina's own limit does not hold for tasks that can be aborted. */
const MAX_WAITING = 256;
/** Threads are started when they are needed, and end when they are not. */
const IDLE_MS = 60_000;

export class PreparePool {
  readonly #pool: Piscina<PrepareTask, PrepareReply>;
  #free: number;
  /** In the order in which they came. */
  readonly #waiting = new Set<() => void>();

  constructor(threads: number) {
    this.#free = threads;
    this.#pool = new Piscina({
      filename: threadFile('prepare-thread', import.meta.url),
      minThreads: 0,
      maxThreads: threads,
      idleTimeout: IDLE_MS,
      // 'sync' parks a thread between tasks in a way that stops its own event loop.
      atomics: 'disabled',
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB },
      recordTiming: false,
    });
    // A thread whose push was given up already may still run out of memory. Unheard, that would end the process.
    this.#pool.on('error', () => {});
  }

  /** Throws what preparePush throws, `push_too_large` for a body that is too much for a thread, and `overloaded`. */
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

  /** Resolves when a thread is free: what a push then takes is its own time, not that of those before it. */
  async #takeThread(): Promise<void> {
    if (this.#free > 0) {
      this.#free--;
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
      this.#free++;
      return;
    }
    this.#waiting.delete(next);
    next();
  }
}

function overloaded(): GatewayError {
  return new GatewayError('overloaded', 'too many large pushes are under way; try again later');
}

function explain(error: Error): Error {
  if (error.name === 'AbortError')
    return new GatewayError('push_too_large', `the push takes more than ${TIMEOUT_MS / 1_000} s to read: split it`);
  if ('code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY')
    return new GatewayError('push_too_large', `the push needs more than ${HEAP_MB} MB to be read: split it`);
  return error;
}
