/**
 * The threads that parse and render. A push that exhausts a thread's memory or time takes down that thread and its task,
 * nothing else.
 */
import { existsSync } from 'node:fs';
import { Piscina } from 'piscina';
import type { LoggedPush } from '../../shared/redis/push-record.ts';
import type { Stamp } from '../../shared/state/stamp.ts';
import type { PrepareRequest, PrepareResult } from './prepare-thread.ts';

const HEAP_MB = 512;
const TIMEOUT_MS = 30_000;

export class PreparePool {
  readonly #pool: Piscina<PrepareRequest, PrepareResult[]>;

  constructor(threads: number) {
    const compiled = new URL('./prepare-thread.js', import.meta.url);
    this.#pool = new Piscina({
      filename: (existsSync(compiled) ? compiled : new URL('./prepare-thread.ts', import.meta.url)).href,
      minThreads: threads,
      maxThreads: threads,
      maxQueue: 1_024,
      // 'sync' parks a thread between tasks in a way that stops its own event loop.
      atomics: 'disabled',
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB },
      recordTiming: false,
    });
  }

  /** One result a push, in order. Rejects when the thread died. */
  async prepare(pushes: readonly { readonly push: LoggedPush; readonly stamp: Stamp }[]): Promise<PrepareResult[]> {
    const total = pushes.reduce((sum, { push }) => sum + push.body.length, 0);
    const bodies = new ArrayBuffer(total);
    const into = Buffer.from(bodies);
    let at = 0;
    const request: PrepareRequest = {
      bodies,
      pushes: pushes.map(({ push: { body, ...push }, stamp }) => {
        body.copy(into, at);
        at += body.length;
        return { push, stamp, bodyLength: body.length };
      }),
    };
    return await this.#pool.run(request, { transferList: [bodies], signal: AbortSignal.timeout(TIMEOUT_MS) });
  }

  async destroy(): Promise<void> {
    await this.#pool.destroy();
  }
}
