/**
 * The memory of all pushes in flight, as one budget. What a push holds of it changes on its way:
 *
 *     body arrives ──complete──▶ waits for a thread ──▶ prepared ──▶ appended: nothing
 *          └────────gives way────────┘
 *
 * What has not arrived holds nothing. While a push gives way, it may be evicted for one of another client that holds
 * less. So nobody can keep others out with uploads that make little progress, and who is alone may use all memory.
 */
import type { IncomingMessage } from 'node:http';
import { GatewayError } from '../../errors.ts';
import { clientKey } from '../gate/client-address.ts';

/** Time after which an upload also gives way to its own client, ms. */
const SLOW_MS = 5_000;

type Evict = (reason: GatewayError) => void;

/** What one push holds. */
export class Hold {
  readonly #inflight: InflightBytes;
  readonly #request: IncomingMessage;
  #client: string | undefined;
  bytes = 0;
  /** Ends the push; undefined while it does not give way. */
  evict: Evict | undefined;
  /** When it began to give way, by `performance.now()`. */
  sinceMs = 0;

  constructor(inflight: InflightBytes, request: IncomingMessage) {
    this.#inflight = inflight;
    this.#request = request;
  }

  get client(): string {
    return (this.#client ??= clientKey(this.#request));
  }

  /** Throws `overloaded`, and changes nothing, if there is no room. */
  resize(bytes: number): void {
    this.#inflight.resize(this, bytes);
  }

  /** From now on the push gives way. `evict` is called when it holds nothing any more. */
  giveWay(evict: Evict): void {
    this.#inflight.giveWay(this, evict);
  }

  /** Ends giveWay(). */
  keep(): void {
    this.#inflight.keep(this);
  }

  release(): void {
    this.#inflight.release(this);
  }
}

/** The pushes of a client that give way. */
interface Lane {
  bytes: number;
  /** The oldest first. */
  readonly holds: Set<Hold>;
}

export class InflightBytes {
  readonly #max: number;
  readonly #lanes = new Map<string, Lane>();
  #held = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get held(): number {
    return this.#held;
  }

  open(request: IncomingMessage): Hold {
    return new Hold(this, request);
  }

  // See Hold.

  resize(hold: Hold, bytes: number): void {
    // Half at most, so that any push fits sooner or later.
    const more = Math.min(bytes, this.#max / 2) - hold.bytes;
    if (this.#held + more > this.#max && !this.#makeRoom(hold, more)) {
      throw new GatewayError('overloaded', 'too many pushes are in flight, try again later');
    }
    this.#add(hold, more);
  }

  release(hold: Hold): void {
    this.keep(hold);
    this.#add(hold, -hold.bytes);
  }

  giveWay(hold: Hold, evict: Evict): void {
    hold.evict = evict;
    hold.sinceMs = performance.now();
    let lane = this.#lanes.get(hold.client);
    if (lane === undefined) this.#lanes.set(hold.client, (lane = { bytes: 0, holds: new Set() }));
    lane.holds.add(hold);
    lane.bytes += hold.bytes;
  }

  keep(hold: Hold): void {
    if (hold.evict === undefined) return;
    hold.evict = undefined;
    const lane = this.#lanes.get(hold.client);
    if (lane === undefined) return;
    lane.holds.delete(hold);
    lane.bytes -= hold.bytes;
    if (lane.holds.size === 0) this.#lanes.delete(hold.client);
  }

  #add(hold: Hold, bytes: number): void {
    this.#held += bytes;
    hold.bytes += bytes;
    if (hold.evict === undefined) return;
    const lane = this.#lanes.get(hold.client);
    if (lane !== undefined) lane.bytes += bytes;
  }

  #makeRoom(hold: Hold, bytes: number): boolean {
    while (this.#held + bytes > this.#max) {
      const victim = this.#victimFor(hold, bytes);
      if (victim === undefined) return false;
      const { evict } = victim;
      this.release(victim);
      evict?.(new GatewayError('overloaded', 'too many pushes are in flight, and others need the room of this one'));
    }
    return true;
  }

  /** The oldest of the client that holds most, if that is more than this one would; else an old one of its own. */
  #victimFor(hold: Hold, bytes: number): Hold | undefined {
    const own = this.#lanes.get(hold.client);
    const ownBytes = (own?.bytes ?? 0) + (hold.evict === undefined ? hold.bytes : 0) + bytes;
    let largest: Lane | undefined;
    for (const lane of this.#lanes.values()) if (lane.bytes > (largest?.bytes ?? ownBytes)) largest = lane;
    if (largest !== undefined && largest !== own) return first(largest.holds);
    const oldest = first(own?.holds ?? []);
    return oldest !== hold && oldest !== undefined && performance.now() - oldest.sinceMs > SLOW_MS ? oldest : undefined;
  }
}

function first(holds: Iterable<Hold>): Hold | undefined {
  for (const hold of holds) return hold;
  return undefined;
}
