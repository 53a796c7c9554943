/**
 * Bounds costly work, in total and per client: the work at once and the work that waits. Clients take turns, so that one
 * with many requests does not keep others waiting:
 *
 *     take() ──▶ waiting, in the lane of its client ──▶ at work ──▶ ended by the function that take() returned
 *                          └── too many wait, or for too long ──▶ refused
 */
interface Limits {
  readonly atOnce: number;
  readonly atOncePerClient: number;
  readonly waiting: number;
  /** Time that one may wait, ms. */
  readonly patienceMs: number;
}

/** Ends a turn. More than one call is one. */
export type EndTurn = () => void;

interface Waiter {
  readonly timer: NodeJS.Timeout;
  /** Without a turn: refused. */
  readonly settle: (end?: EndTurn) => void;
}

export class Turns {
  readonly #limits: Limits;
  #atWork = 0;
  #waiting = 0;
  /** By client; none is 0. */
  readonly #atWorkBy = new Map<string, number>();
  /** By client; none is empty. The first that may is served next. */
  readonly #lanes = new Map<string, Waiter[]>();

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** Resolves when the work may begin; with undefined if it may not, because too many wait already, or too long. */
  async take(client: string): Promise<EndTurn | undefined> {
    if (this.#isFree(client)) return this.#begin(client);
    return await new Promise((resolve) => {
      const lane = this.#lanes.get(client) ?? [];
      if (this.#waiting >= this.#limits.waiting && !this.#makeRoom(lane.length)) {
        resolve(undefined);
        return;
      }
      const waiter: Waiter = {
        timer: setTimeout(() => this.#refuse(client, waiter), this.#limits.patienceMs).unref(),
        settle: resolve,
      };
      lane.push(waiter);
      this.#lanes.set(client, lane);
      this.#waiting++;
    });
  }

  #isFree(client: string): boolean {
    const { atOnce, atOncePerClient } = this.#limits;
    return this.#atWork < atOnce && (this.#atWorkBy.get(client) ?? 0) < atOncePerClient;
  }

  #begin(client: string): EndTurn {
    this.#atWork++;
    this.#atWorkBy.set(client, (this.#atWorkBy.get(client) ?? 0) + 1);
    let isEnded = false;
    return () => {
      if (isEnded) return;
      isEnded = true;
      this.#atWork--;
      const left = (this.#atWorkBy.get(client) ?? 0) - 1;
      if (left === 0) this.#atWorkBy.delete(client);
      else this.#atWorkBy.set(client, left);
      this.#beginNext();
    };
  }

  #beginNext(): void {
    for (const [client, lane] of this.#lanes) {
      const [waiter] = lane;
      if (waiter === undefined || !this.#isFree(client)) continue;
      this.#remove(client, waiter);
      // The client goes to the end of the queue.
      if (this.#lanes.delete(client)) this.#lanes.set(client, lane);
      waiter.settle(this.#begin(client));
      return;
    }
  }

  /** Refuses the newest of the longest lane, if that is longer than `length`: a client with few is not shut out. */
  #makeRoom(length: number): boolean {
    let longest: [client: string, lane: Waiter[]] | undefined;
    for (const one of this.#lanes) if (longest === undefined || one[1].length > longest[1].length) longest = one;
    const last = longest?.[1].at(-1);
    if (longest === undefined || last === undefined || longest[1].length <= length + 1) return false;
    this.#refuse(longest[0], last);
    return true;
  }

  #refuse(client: string, waiter: Waiter): void {
    this.#remove(client, waiter);
    waiter.settle();
  }

  #remove(client: string, waiter: Waiter): void {
    clearTimeout(waiter.timer);
    const lane = this.#lanes.get(client) ?? [];
    lane.splice(lane.indexOf(waiter), 1);
    if (lane.length === 0) this.#lanes.delete(client);
    this.#waiting--;
  }
}
