/**
 * Prepares pushes: small ones here and now, large ones in threads, so that the others do not wait for them. A body that
 * exhausts a thread's memory or time takes down that thread and its own push, nothing else.
 */
import { existsSync } from 'node:fs';
import { Piscina } from 'piscina';
import { asError, GatewayError } from '../../shared/errors.ts';
import { BodyError } from '../../shared/http/read-body.ts';
import { preparePush, type PreparedGroup, type PrepareOptions } from './prepare-push.ts';
import type { PrepareReply, PrepareTask } from './prepare-thread.ts';

/** Bodies below this cost less to prepare than to send to a thread and back, or a few milliseconds. */
const SMALL_BYTES = 64 * 1024;
const HEAP_MB = 1_024;
const TIMEOUT_MS = 30_000;
const MAX_QUEUE = 256;
/** Threads are started when they are needed, and end when they are not. */
const IDLE_MS = 60_000;

export class PreparePool {
  readonly #pool: Piscina<PrepareTask, PrepareReply>;

  constructor(threads: number) {
    const compiled = new URL('./prepare-thread.js', import.meta.url);
    this.#pool = new Piscina({
      filename: (existsSync(compiled) ? compiled : new URL('./prepare-thread.ts', import.meta.url)).href,
      minThreads: 0,
      maxThreads: threads,
      maxQueue: MAX_QUEUE,
      idleTimeout: IDLE_MS,
      // 'sync' parks a thread between tasks in a way that stops its own event loop.
      atomics: 'disabled',
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB },
      recordTiming: false,
    });
  }

  /** Throws what preparePush throws, and BodyError for a body that is too much for a thread, or for all of them. */
  async prepare(body: Buffer, options: PrepareOptions): Promise<readonly PreparedGroup[]> {
    if (body.length < SMALL_BYTES) return preparePush(body, options);
    const copy = new ArrayBuffer(body.length);
    body.copy(new Uint8Array(copy));
    const reply = await this.#pool
      .run({ ...options, body: copy }, { transferList: [copy], signal: AbortSignal.timeout(TIMEOUT_MS) })
      .catch((thrown: unknown) => {
        throw explain(asError(thrown));
      });
    if ('groups' in reply) return reply.groups;
    throw 'code' in reply ? new GatewayError(reply.code, reply.message) : new BodyError(reply.fault, reply.message);
  }

  async destroy(): Promise<void> {
    await this.#pool.destroy();
  }
}

function explain(error: Error): Error {
  if (error.message.includes('queue is at limit'))
    return new BodyError('overloaded', 'too many large pushes are under way; try again later');
  if (error.name === 'AbortError')
    return new BodyError('too_large', `the push takes more than ${TIMEOUT_MS / 1_000} s to read: split it`);
  if ('code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY')
    return new BodyError('too_large', `the push needs more than ${HEAP_MB} MB to be read: split it`);
  return error;
}
