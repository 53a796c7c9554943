/**
 * The consistency check of a push against everything stored. The catalogue decides at once; only if another group may
 * hold a series of the push is the family of that group read from Redis.
 */
import { GatewayError } from '../../shared/errors.ts';
import { labelSetsOf } from '../../shared/exposition/check/label-sets.ts';
import { formatSelector } from '../../shared/model/format-selector.ts';
import { encodeLabels } from '../../shared/model/labels.ts';
import type { Labels } from '../../shared/model/metric-family.ts';
import type { PushOutcomes } from '../../shared/records/change-record.ts';
import type { ChangeFeed } from '../../shared/redis/changes/change-feed.ts';
import type { RedisClient } from '../../shared/redis/connection/client.ts';
import { retrying } from '../../shared/redis/connection/error-classes.ts';
import type { GroupFollower } from '../../shared/redis/groups/group-follower.ts';
import type { GroupStore } from '../../shared/redis/groups/group-store.ts';
import type { Keyspace } from '../../shared/redis/keys.ts';
import { Catalogue } from './catalogue/catalogue.ts';
import type { CataloguedPush } from './catalogue/catalogued-push.ts';
import { checkConsistency, findTwin, type Suspect } from './catalogue/consistency-rules.ts';

const TIMER_MAX_MS = 2 ** 31 - 1;

export interface ConsistencyCheckContext {
  readonly feed: ChangeFeed;
  readonly follower: GroupFollower;
  readonly store: GroupStore;
  readonly keyspace: Keyspace;
  /** How long a check may wait for Redis. */
  readonly timeoutMs: number;
}

export class ConsistencyCheck {
  readonly #context: ConsistencyCheckContext;
  readonly #catalogue = new Catalogue();
  #client: RedisClient | undefined;

  constructor(context: ConsistencyCheckContext) {
    this.#context = context;
    context.follower.add({
      ids: () => this.#catalogue.ids(),
      set: (id, record, nowMs) => this.#catalogue.set(id, record, nowMs),
      update: (id, record, nowMs) => this.#catalogue.update(id, record, nowMs),
      forget: (shard) => this.#catalogue.unsettled.forget((id) => context.keyspace.shardOf(id) === shard),
      settle: (outcomes) => this.#settle(outcomes),
    });
  }

  start(client: RedisClient): void {
    this.#client = client;
  }

  /** Resolves when the catalogue knows what is stored. Throws `redis_unavailable` if that takes too long. */
  async whenLoaded(): Promise<void> {
    const { feed, timeoutMs } = this.#context;
    if (feed.isComplete || (await feed.whenComplete(timeoutMs))) return;
    throw new GatewayError(
      'redis_unavailable',
      'what is stored could not be loaded from Redis in time; nothing was stored',
    );
  }

  /** Throws `push_inconsistent`, or expects the pushes, in one step: of two that contradict each other, one passes. */
  async admit(pushes: readonly CataloguedPush[]): Promise<void> {
    const suspects = this.#check(pushes);
    if (suspects.length > 0) {
      for (const suspect of suspects) await this.#compare(suspect);
      // Others may have passed in the meantime.
      this.#check(pushes);
    }
    this.expect(pushes);
  }

  /** The pushes are about to be appended: later checks take them into account. `abandon` reverts that. */
  expect(pushes: readonly CataloguedPush[]): void {
    this.#catalogue.expect(pushes);
  }

  /** The pushes were not appended, or it is unknown whether they were: the state in Redis counts. */
  abandon(pushes: readonly CataloguedPush[]): void {
    for (const { id } of pushes) this.#refresh(this.#catalogue.unsettled.settle(id));
  }

  /** All groups are about to be deleted. `reload` reverts that. */
  clear(): void {
    this.#catalogue.clear();
  }

  /** Loads everything from Redis again. */
  reload(): void {
    this.#context.feed.reload();
  }

  /** False for a group whose push times would be those of another group. */
  mayRecordFailure(labels: Labels): boolean {
    return findTwin(this.#catalogue, labels) === undefined;
  }

  #check(pushes: readonly CataloguedPush[]): Suspect[] {
    const nowMs = Date.now();
    return pushes.flatMap((push) => checkConsistency(this.#catalogue, push, nowMs));
  }

  #settle(outcomes: PushOutcomes): void {
    for (const [pushId, outcome] of outcomes) {
      const groupIds = this.#catalogue.unsettled.settle(pushId);
      // With any other outcome, the same change brings the groups.
      if (outcome === undefined || outcome === 'dead-lettered') this.#refresh(groupIds);
    }
  }

  #refresh(groupIds: readonly string[]): void {
    for (const id of groupIds) this.#context.feed.refresh(this.#context.keyspace.shardOf(id), id);
  }

  async #compare({ groupId, groupLabels, family, series }: Suspect): Promise<void> {
    const { store, keyspace, timeoutMs } = this.#context;
    await this.#catalogue.unsettled.whenSettled(groupId);
    const client = this.#client;
    if (client === undefined) return;
    const load = () => store.loadFamily(client, keyspace.shardOf(groupId), groupId, family);
    const patience = AbortSignal.timeout(Math.min(Math.ceil(timeoutMs), TIMER_MAX_MS));
    const held = await retrying(load, patience).catch((cause: unknown) => {
      const message = 'the push could not be checked against what is stored; nothing was stored';
      throw new GatewayError('redis_unavailable', message, { cause });
    });
    if (held === undefined) return;
    const labelSets = new Set(labelSetsOf(family, held.type, held.text).map(encodeLabels));
    const shared = series.find((labels) => labelSets.has(encodeLabels(labels)));
    if (shared === undefined) return;
    const [own, other] = [formatSelector(shared), formatSelector(groupLabels)];
    throw new GatewayError('push_inconsistent', `series ${family}${own} is already held by group ${other}`);
  }
}
