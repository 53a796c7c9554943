/**
 * Checks passwords against bcrypt hashes, one at a time in a thread of its own, because each check takes tens of
 * milliseconds of CPU time by design. Each client address has a queue, and the queues take turns, so that a client that
 * guesses passwords does not keep others from logging in. The queues are bounded.
 */
import { Piscina } from 'piscina';
import { threadFile } from '../../async/thread-file.ts';
import type { PasswordTask } from './password-thread.ts';

/** Of all addresses; at a cost of 10 these take about three seconds. */
const MAX_WAITING = 64;
const MAX_WAITING_PER_ADDRESS = 16;
/** Time limit of one check. */
const TIMEOUT_MS = 30_000;
/** Idle time after which the thread ends; the next check starts a new one. */
const IDLE_MS = 60_000;

export type ComparePassword = (password: string, hash: string) => Promise<boolean>;

export interface PasswordChecker {
  /** Undefined if too many wait already. Rejects if the check fails. */
  check(password: string, hash: string, from: string): Promise<boolean> | undefined;
}

export class FairPasswordChecker implements PasswordChecker {
  readonly #compare: ComparePassword;
  /** By address; the first queue is served next. None is empty. */
  readonly #queues = new Map<string, (() => Promise<void>)[]>();
  #waiting = 0;
  #busy = false;

  constructor(compare: ComparePassword) {
    this.#compare = compare;
  }

  check(password: string, hash: string, from: string): Promise<boolean> | undefined {
    const queue = this.#queues.get(from) ?? [];
    if (this.#waiting >= MAX_WAITING || queue.length >= MAX_WAITING_PER_ADDRESS) return undefined;
    this.#waiting++;
    this.#queues.set(from, queue);
    return new Promise((resolve, reject) => {
      queue.push(async () => await this.#compare(password, hash).then(resolve, reject));
      if (!this.#busy) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#busy = true;
    for (let [next] = this.#queues; next !== undefined; [next] = this.#queues) {
      const [from, queue] = next;
      const task = queue.shift();
      this.#queues.delete(from);
      if (queue.length > 0) this.#queues.set(from, queue);
      this.#waiting--;
      await task?.();
    }
    this.#busy = false;
  }
}

/** bcrypt in a thread, which the first check starts. */
export class PasswordThread {
  readonly #pool: Piscina<PasswordTask, boolean>;

  constructor() {
    this.#pool = new Piscina({
      filename: threadFile('password-thread', import.meta.url),
      minThreads: 0,
      maxThreads: 1,
      idleTimeout: IDLE_MS,
      atomics: 'disabled',
      recordTiming: false,
    });
  }

  readonly compare: ComparePassword = async (password, hash) =>
    await this.#pool.run({ password, hash }, { signal: AbortSignal.timeout(TIMEOUT_MS) });

  async destroy(): Promise<void> {
    await this.#pool.destroy();
  }
}
