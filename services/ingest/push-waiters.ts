/**
 * Waits until pushes are settled, for clients that want the push to be visible when it is answered (`Prefer: wait`).
 */
import type { PushOutcomes, ShardChanges } from '../../shared/records/change-record.ts';
import type { Outcome } from '../../shared/records/push.ts';
import type { ChangeConsumer } from '../../shared/redis/changes/change-feed.ts';
import type { RedisClient } from '../../shared/redis/connection/client.ts';

export interface PushWaiter {
  /** Undefined after the timeout, and for an outcome that this version does not know. */
  readonly outcome: Promise<Outcome | undefined>;
  cancel(): void;
}

export class PushWaiters implements ChangeConsumer {
  readonly #waiting = new Map<string, { timer: NodeJS.Timeout; resolve: (outcome: Outcome | undefined) => void }>();

  /** Call it before the push is appended, because it may be merged before the append is confirmed. */
  add(pushId: string, timeoutMs: number): PushWaiter {
    const outcome = new Promise<Outcome | undefined>((resolve) => {
      const timer = setTimeout(() => this.#resolve(pushId, undefined), timeoutMs);
      this.#waiting.set(pushId, { timer, resolve });
    });
    return { outcome, cancel: () => this.#resolve(pushId, undefined) };
  }

  async reset(_client: RedisClient, _shard: number, recent: PushOutcomes): Promise<void> {
    for (const [pushId, outcome] of recent) this.#resolve(pushId, outcome);
    return await Promise.resolve();
  }

  async changes(_client: RedisClient, _shard: number, { outcomes }: ShardChanges): Promise<void> {
    if (this.#waiting.size > 0) for (const [pushId, outcome] of outcomes) this.#resolve(pushId, outcome);
    return await Promise.resolve();
  }

  destroy(): void {
    for (const pushId of this.#waiting.keys()) this.#resolve(pushId, undefined);
  }

  #resolve(pushId: string, outcome: Outcome | undefined): void {
    const waiting = this.#waiting.get(pushId);
    if (waiting === undefined) return;
    this.#waiting.delete(pushId);
    clearTimeout(waiting.timer);
    waiting.resolve(outcome);
  }
}
