/**
 * Waits for pushes to be merged, for clients that asked to (`Prefer: wait`): the change feed names every push it settles.
 */
import type { ChangeConsumer } from '../../shared/redis/changes/change-feed.ts';
import type { PushOutcomes, ShardChanges } from '../../shared/records/change-record.ts';
import type { RedisClient } from '../../shared/redis/connection/client.ts';
import type { Outcome } from '../../shared/records/push.ts';

export interface Expected {
  /** Undefined when the time ran out, or the outcome is one that this version does not know. */
  readonly outcome: Promise<Outcome | undefined>;
  /** Stops waiting. */
  cancel(): void;
}

export class Outcomes implements ChangeConsumer {
  readonly #waiting = new Map<string, { timer: NodeJS.Timeout; resolve: (outcome: Outcome | undefined) => void }>();

  /** To be called before the push is appended: it may be merged before the append is answered. */
  expect(pushId: string, timeoutMs: number): Expected {
    const outcome = new Promise<Outcome | undefined>((resolve) => {
      const timer = setTimeout(() => this.#settle(pushId, undefined), timeoutMs);
      this.#waiting.set(pushId, { timer, resolve });
    });
    return { outcome, cancel: () => this.#settle(pushId, undefined) };
  }

  async reset(_client: RedisClient, _shard: number, recent: PushOutcomes): Promise<void> {
    for (const [pushId, outcome] of recent) this.#settle(pushId, outcome);
    return await Promise.resolve();
  }

  async changes(_client: RedisClient, _shard: number, { outcomes }: ShardChanges): Promise<void> {
    if (this.#waiting.size > 0) for (const [pushId, outcome] of outcomes) this.#settle(pushId, outcome);
    return await Promise.resolve();
  }

  /** Nobody waits any longer. */
  destroy(): void {
    for (const pushId of this.#waiting.keys()) this.#settle(pushId, undefined);
  }

  #settle(pushId: string, outcome: Outcome | undefined): void {
    const waiting = this.#waiting.get(pushId);
    if (waiting === undefined) return;
    this.#waiting.delete(pushId);
    clearTimeout(waiting.timer);
    waiting.resolve(outcome);
  }
}
