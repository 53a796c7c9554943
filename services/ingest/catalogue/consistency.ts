/**
 * The consistency check against what is stored: the catalogue answers at once; only where another group may hold one of the
 * push's series is that group's family looked at in Redis.
 */
import { GatewayError } from '../../../shared/errors.ts';
import { labelSetsOf } from '../../../shared/exposition/check/label-sets.ts';
import type { Labels } from '../../../shared/model/metric-family.ts';
import { encodeLabels } from '../../../shared/model/group.ts';
import type { RedisClient } from '../../../shared/redis/connection/connections.ts';
import type { ChangeFeed } from '../../../shared/redis/changes/change-feed.ts';
import type { GroupFollower } from '../../../shared/redis/groups/group-follower.ts';
import type { GroupStore } from '../../../shared/redis/groups/group-store.ts';
import type { Keyspace } from '../../../shared/redis/keys.ts';
import { retrying } from '../../../shared/redis/connection/error-classes.ts';
import { formatSelector } from '../../../shared/model/format-selector.ts';
import { Catalogue, type CataloguedPush, type Suspect } from './catalogue.ts';
import type { Outcome } from '../../../shared/records/push.ts';

const TIMER_MAX_MS = 2 ** 31 - 1;

export interface ConsistencyContext {
  readonly feed: ChangeFeed;
  readonly follower: GroupFollower;
  readonly store: GroupStore;
  readonly keyspace: Keyspace;
  /** How long a check may wait for Redis. */
  readonly timeoutMs: number;
}

export class Consistency {
  readonly #context: ConsistencyContext;
  readonly #catalogue = new Catalogue();
  #client: RedisClient | undefined;

  constructor(context: ConsistencyContext) {
    this.#context = context;
    context.follower.add({
      ids: () => this.#catalogue.ids(),
      set: (id, record, nowMs) => this.#catalogue.set(id, record, nowMs),
      update: (id, record, nowMs) => this.#catalogue.update(id, record, nowMs),
      forget: (shard) => this.#catalogue.forget((id) => context.keyspace.shardOf(id) === shard),
      settle: (outcomes) => this.#settle(outcomes),
    });
  }

  start(client: RedisClient): void {
    this.#client = client;
  }

  /** Resolves when the catalogue knows what is stored. Throws `redis_unavailable` when that takes too long. */
  async whenLoaded(): Promise<void> {
    const { feed, timeoutMs } = this.#context;
    if (feed.isComplete || (await feed.whenComplete(timeoutMs))) return;
    throw new GatewayError(
      'redis_unavailable',
      'what is stored could not be loaded from Redis in time; nothing was stored',
    );
  }

  /** Throws `push_inconsistent`, or expects the pushes: in one step, so that of two that contradict each other one passes. */
  async admit(pushes: readonly CataloguedPush[]): Promise<void> {
    const suspects = this.#check(pushes);
    if (suspects.length > 0) {
      for (const suspect of suspects) await this.#compare(suspect);
      // Others may have passed in the meantime.
      this.#check(pushes);
    }
    this.expect(pushes);
  }

  /** The pushes are about to be appended: later checks reckon with them. `abandon` takes that back. */
  expect(pushes: readonly CataloguedPush[]): void {
    this.#catalogue.expect(pushes);
  }

  /** The pushes were not appended, or nobody knows: what Redis has counts. */
  abandon(pushes: readonly CataloguedPush[]): void {
    for (const { id } of pushes) this.#refresh(this.#catalogue.settled(id));
  }

  /** All groups are about to be deleted; `reload` takes that back. */
  clear(): void {
    this.#catalogue.clear();
  }

  /** Starts anew from what Redis has. */
  reload(): void {
    this.#context.feed.reload();
  }

  /** Whether the failure times of the group would be series of its own. */
  mayRecordFailure(labels: Labels): boolean {
    return this.#catalogue.twinOf(labels) === undefined;
  }

  #check(pushes: readonly CataloguedPush[]): Suspect[] {
    const now = Date.now();
    return pushes.flatMap((push) => this.#catalogue.check(push, now));
  }

  #settle(outcomes: ReadonlyMap<string, Outcome>): void {
    for (const [pushId, outcome] of outcomes) {
      const groups = this.#catalogue.settled(pushId);
      // The groups of all others come with the same change.
      if (outcome === 'dead-lettered') this.#refresh(groups);
    }
  }

  #refresh(groupIds: readonly string[]): void {
    for (const id of groupIds) this.#context.feed.refresh(this.#context.keyspace.shardOf(id), id);
  }

  async #compare({ groupId, groupLabels, family, series }: Suspect): Promise<void> {
    const { store, keyspace } = this.#context;
    await this.#catalogue.whenSettled(groupId);
    const client = this.#client;
    if (client === undefined) return;
    const load = () => store.loadFamily(client, keyspace.shardOf(groupId), groupId, family);
    const patience = AbortSignal.timeout(Math.min(Math.ceil(this.#context.timeoutMs), TIMER_MAX_MS));
    const held = await retrying(load, patience).catch((cause: unknown) => {
      const what = 'the push could not be checked against what is stored; nothing was stored';
      throw new GatewayError('redis_unavailable', what, { cause });
    });
    if (held === undefined) return;
    const labelSets = new Set(labelSetsOf(family, held.type, held.text.toString()).map(encodeLabels));
    for (const labels of series) {
      if (labelSets.has(encodeLabels(labels))) {
        throw new GatewayError(
          'push_inconsistent',
          `series ${family}${formatSelector(labels)} is held by group ${formatSelector(groupLabels)} already`,
        );
      }
    }
  }
}
