/**
 * Checks passwords against bcrypt hashes, one at a time in a thread of its own, because each check takes tens of
 * milliseconds of CPU time by design.
 *
 * Each client has a queue, and the queues take turns. Clients of which nothing is known come first, then those that the
 * full queues have turned away, then those whose last password was wrong. When the queues are full, the longest one
 * loses its newest check; of several, that of the last class. So clients that guess passwords, however many, keep hardly
 * anybody else from logging in.
 */
import { Piscina } from 'piscina';
import { threadFile } from '../../async/thread-file.ts';
import type { PasswordTask } from './password-thread.ts';

/** Of all clients; at a cost of 10 these take about five seconds. */
const MAX_WAITING = 64;
const MAX_WAITING_PER_CLIENT = 16;
/** Number of clients that are remembered for what became of their last check. */
const MAX_REMEMBERED = 4_096;
/** Time limit of one check. */
const TIMEOUT_MS = 30_000;
/** Idle time after which the thread ends; the next check starts a new one. */
const IDLE_MS = 60_000;

export type ComparePassword = (password: string, hash: string) => Promise<boolean>;

export interface PasswordChecker {
  /** Undefined, at once or later, if too many wait. Rejects if the check fails. `from`: see clientKey(). */
  check(password: string, hash: string, from: string): Promise<boolean | undefined> | undefined;
}

interface Check {
  readonly run: () => Promise<void>;
  readonly drop: () => void;
}

interface Queue {
  readonly client: string;
  /** Not empty. */
  readonly checks: Check[];
}

/** The lowest comes first. */
const RANK = { unknown: 0, turnedAway: 1, wrong: 2 } as const;

export class FairPasswordChecker implements PasswordChecker {
  readonly #compare: ComparePassword;
  /** Within a rank, in the order of their turns: new ones come first, those that had a turn go to the back. */
  readonly #queues: Queue[] = [];
  readonly #ranks = new Map<string, number>();
  #waiting = 0;
  #busy = false;

  constructor(compare: ComparePassword) {
    this.#compare = compare;
  }

  check(password: string, hash: string, from: string): Promise<boolean | undefined> | undefined {
    let queue = this.#queues.find(({ client }) => client === from);
    if (queue !== undefined && queue.checks.length >= MAX_WAITING_PER_CLIENT) return undefined;
    if (queue === undefined) this.#queues.unshift((queue = { client: from, checks: [] }));
    const { checks } = queue;
    return new Promise((resolve, reject) => {
      const compare = async () => {
        const isRight = await this.#compare(password, hash);
        this.#note(from, isRight ? RANK.unknown : RANK.wrong);
        resolve(isRight);
      };
      checks.push({ run: async () => await compare().catch(reject), drop: () => resolve(undefined) });
      if (++this.#waiting > MAX_WAITING) this.#dropOne();
      if (!this.#busy) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#busy = true;
    for (;;) {
      const [queue] = this.#queues.toSorted((a, b) => this.#rankOf(a) - this.#rankOf(b));
      if (queue === undefined) break;
      const check = this.#take(queue, 'oldest');
      if (queue.checks.length > 0) {
        this.#queues.splice(this.#queues.indexOf(queue), 1);
        this.#queues.push(queue);
      }
      await check?.run();
    }
    this.#busy = false;
  }

  #dropOne(): void {
    const [queue] = this.#queues
      .toReversed()
      .toSorted((a, b) => b.checks.length - a.checks.length || this.#rankOf(b) - this.#rankOf(a));
    if (queue === undefined) return;
    this.#take(queue, 'newest')?.drop();
    if (this.#rankOf(queue) === RANK.unknown) this.#note(queue.client, RANK.turnedAway);
  }

  #take(queue: Queue, which: 'oldest' | 'newest'): Check | undefined {
    const check = which === 'oldest' ? queue.checks.shift() : queue.checks.pop();
    if (queue.checks.length === 0) this.#queues.splice(this.#queues.indexOf(queue), 1);
    this.#waiting--;
    return check;
  }

  #rankOf({ client }: Queue): number {
    return this.#ranks.get(client) ?? RANK.unknown;
  }

  /** Forgets the client that was noted first when there are too many. */
  #note(client: string, rank: number): void {
    this.#ranks.delete(client);
    if (rank !== RANK.unknown) this.#ranks.set(client, rank);
    const [first] = this.#ranks.keys();
    if (first !== undefined && this.#ranks.size > MAX_REMEMBERED) this.#ranks.delete(first);
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
