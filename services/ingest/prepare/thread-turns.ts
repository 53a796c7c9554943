/**
 * Whose push is next when a thread is free: that of the client that will have used the threads least, with this push.
 * So a client that sends many large pushes waits for its own, and who sends a smaller one need not wait for them. One
 * thread is kept for short turns.
 */
import { GatewayError } from '../../../shared/errors.ts';

/** Maximum of pushes that wait. Piscina's own limit does not apply to tasks that can be aborted. */
const MAX_WAITING = 256;
/** Clients whose use is remembered. */
const MAX_CLIENTS = 10_000;
/** Share of a thread that a client may use without being counted. */
const FREE_SHARE = 0.1;
/** Use that a push is forgiven for each ms that it has waited, so that a large one has its turn at last. */
const FORGIVEN_PER_MS = 0.05;
/** Expected time up to which a turn is short, ms. */
const SHORT_MS = 100;
/** Use of a client above which none of its turns counts as short, ms. */
const MAX_SHORT_USE_MS = 3_000;

type Refuse = (reason: GatewayError) => void;

interface Turn {
  /** How long it is expected to take. */
  readonly costMs: number;
  readonly sinceMs: number;
  readonly start: () => void;
  readonly refuse: Refuse;
}

export class ThreadTurns {
  readonly #threads: number;
  readonly #maxMs: number;
  #running = 0;
  #runningLong = 0;
  /** By client, in order of arrival. None is empty. */
  readonly #lanes = new Map<string, Set<Turn>>();
  #waiting = 0;
  /** By client, since no push had to wait. */
  readonly #uses = new Map<string, { readonly usedMs: number; readonly atMs: number }>();

  /** `threads`: at least 2. `maxMs`: how long a push may wait. */
  constructor(threads: number, maxMs: number) {
    this.#threads = threads;
    this.#maxMs = maxMs;
  }

  /**
   * Resolves when a thread is free, to what ends the turn. Rejects with `overloaded`: after `maxMs`, and if too many
   * wait, for the last push of the client that has most. `costMs`: how long the push is expected to take. `onWait`
   * receives what ends the wait.
   */
  async take(client: string, costMs: number, onWait: (refuse: Refuse) => void): Promise<() => void> {
    if (this.#mayRun(client, costMs)) return this.#begin(client, costMs);
    if (this.#waiting >= MAX_WAITING) this.#makeRoom(client);
    return await new Promise((resolve, reject) => {
      const end = (then: () => void): void => {
        clearTimeout(timer);
        this.#drop(client, turn);
        then();
      };
      const turn: Turn = {
        costMs,
        sinceMs: performance.now(),
        start: () => end(() => resolve(this.#begin(client, costMs))),
        refuse: (reason) => end(() => reject(reason)),
      };
      const timer = setTimeout(() => turn.refuse(overloaded()), this.#maxMs);
      const lane = this.#lanes.get(client);
      if (lane === undefined) this.#lanes.set(client, new Set([turn]));
      else lane.add(turn);
      this.#waiting++;
      onWait(turn.refuse);
    });
  }

  /** Time that a client has used, without its free share, ms. */
  #usedMs(client: string): number {
    const use = this.#uses.get(client);
    return use === undefined ? 0 : Math.max(0, use.usedMs - FREE_SHARE * (performance.now() - use.atMs));
  }

  #isLong(client: string, costMs: number): boolean {
    return costMs > SHORT_MS || this.#usedMs(client) > MAX_SHORT_USE_MS;
  }

  #mayRun(client: string, costMs: number): boolean {
    if (this.#running >= this.#threads) return false;
    return !this.#isLong(client, costMs) || this.#runningLong < this.#threads - 1;
  }

  #begin(client: string, costMs: number): () => void {
    const isLong = this.#isLong(client, costMs);
    this.#running++;
    if (isLong) this.#runningLong++;
    const startedMs = performance.now();
    return () => {
      this.#running--;
      if (isLong) this.#runningLong--;
      const atMs = performance.now();
      if (this.#waiting === 0 || this.#uses.size >= MAX_CLIENTS) this.#uses.clear();
      else this.#uses.set(client, { usedMs: this.#usedMs(client) + atMs - startedMs, atMs });
      this.#startNext();
    };
  }

  #startNext(): void {
    const nowMs = performance.now();
    let next: Turn | undefined;
    let leastMs = Infinity;
    for (const [client, [turn]] of this.#lanes) {
      if (turn === undefined || !this.#mayRun(client, turn.costMs)) continue;
      const useMs = this.#usedMs(client) + turn.costMs - FORGIVEN_PER_MS * (nowMs - turn.sinceMs);
      if (useMs >= leastMs) continue;
      next = turn;
      leastMs = useMs;
    }
    next?.start();
  }

  #drop(client: string, turn: Turn): void {
    const lane = this.#lanes.get(client);
    if (lane?.delete(turn) !== true) return;
    this.#waiting--;
    if (lane.size === 0) this.#lanes.delete(client);
  }

  #makeRoom(client: string): void {
    const own = this.#lanes.get(client);
    let longest = own;
    for (const lane of this.#lanes.values()) if (lane.size > (longest?.size ?? 0) + 1) longest = lane;
    if (longest === own) throw overloaded();
    [...(longest ?? [])].at(-1)?.refuse(overloaded());
  }
}

function overloaded(): GatewayError {
  return new GatewayError('overloaded', 'too many large pushes are in flight; try again later');
}
