/**
 * Checks passwords against bcrypt hashes: one at a time, in a thread of its own, because each check is tens of milliseconds
 * of computing on purpose. Who waits, waits in a lane of its own address, and the lanes take turns, so that one client that
 * tries passwords does not keep others from logging in. What waits is bounded.
 */
import { Piscina } from 'piscina';
import { threadFile } from '../../async/thread-file.ts';
import type { PasswordTask } from './password-thread.ts';

/** At a cost of 10, about three seconds. */
const MAX_WAITING = 64;
const MAX_WAITING_OF_ONE = 16;
/** A hash of a cost that takes longer is of no use to anybody. */
const TIMEOUT_MS = 30_000;
/** Then the thread ends; the next check starts one. */
const IDLE_MS = 60_000;

export type ComparePassword = (password: string, hash: string) => Promise<boolean>;

export interface PasswordChecker {
  /** Undefined when too many wait already. Rejects when the check could not be carried out. */
  check(password: string, hash: string, from: string): Promise<boolean> | undefined;
}

export class FairPasswordChecker implements PasswordChecker {
  readonly #compare: ComparePassword;
  /** By address; the first lane is the next to be served. None is empty. */
  readonly #lanes = new Map<string, (() => Promise<void>)[]>();
  #waiting = 0;
  #busy = false;

  constructor(compare: ComparePassword) {
    this.#compare = compare;
  }

  check(password: string, hash: string, from: string): Promise<boolean> | undefined {
    const lane = this.#lanes.get(from) ?? [];
    if (this.#waiting >= MAX_WAITING || lane.length >= MAX_WAITING_OF_ONE) return undefined;
    this.#waiting++;
    this.#lanes.set(from, lane);
    return new Promise((resolve, reject) => {
      lane.push(async () => await this.#compare(password, hash).then(resolve, reject));
      if (!this.#busy) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#busy = true;
    for (let [next] = this.#lanes; next !== undefined; [next] = this.#lanes) {
      const [from, lane] = next;
      const task = lane.shift();
      this.#lanes.delete(from);
      if (lane.length > 0) this.#lanes.set(from, lane);
      this.#waiting--;
      await task?.();
    }
    this.#busy = false;
  }
}

/** bcrypt in a thread, which is started with the first check. */
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
