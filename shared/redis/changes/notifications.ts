/**
 * Wakes the change feed when the `changes` stream of a shard grows, by keyspace notifications of XADD.
 *
 * Best effort: a managed Redis may refuse CONFIG, an ACL may deny SUBSCRIBE, a notification may be lost. The poll of
 * the feed then finds the change up to a second later.
 */
import { Cluster, type Redis } from 'ioredis';
import type { Logger } from '../../logger.ts';
import { asError } from '../../errors.ts';
import type { RedisClient } from '../connection/client.ts';
import type { Connections } from '../connection/connections.ts';
import type { Keyspace } from '../keys.ts';
import { classify } from '../connection/error-classes.ts';

/** K: keyspace channels. t: stream commands. */
const NEEDED_FLAGS = ['K', 't'] as const;

export class Notifications {
  readonly #connections: Connections;
  readonly #logger: Logger;
  readonly #onChange: (shard: number) => void;
  readonly #shardOf = new Map<string, number>();
  readonly #keyspace: Keyspace;
  /** By `host:port` of the master; on a Cluster there are several. */
  readonly #subscribers = new Map<string | undefined, Redis>();
  /** The next poll has to configure the masters. */
  #configureDue = false;
  #warned = false;

  constructor(connections: Connections, keyspace: Keyspace, logger: Logger, onChange: (shard: number) => void) {
    this.#connections = connections;
    this.#keyspace = keyspace;
    this.#logger = logger;
    this.#onChange = onChange;
  }

  /** Brings the subscriptions in line with the present masters. Called by every poll; never throws. */
  async ensure(client: RedisClient): Promise<void> {
    const nodes = client instanceof Cluster ? client.nodes('master') : [undefined];
    const masters = new Map(nodes.map((node) => [node && `${node.options.host}:${node.options.port}`, node]));
    for (const [name, subscriber] of this.#subscribers) {
      if (masters.has(name) && subscriber.status !== 'end') continue;
      this.#connections.close(subscriber);
      this.#subscribers.delete(name);
    }
    for (const [name, master] of masters) {
      if (!this.#subscribers.has(name)) this.#subscribers.set(name, this.#subscribe(client, master));
    }
    if (!this.#configureDue) return;
    this.#configureDue = false;
    await this.#configure(Array.from(masters.values(), (master) => master ?? (client as Redis)));
  }

  destroy(): void {
    for (const subscriber of this.#subscribers.values()) this.#connections.close(subscriber);
    this.#subscribers.clear();
  }

  #subscribe(client: RedisClient, master: Redis | undefined): Redis {
    const subscriber = this.#connections.openSubscriber(master);
    subscriber.on('message', (channel: string) => {
      const shard = this.#shardOf.get(channel);
      if (shard !== undefined) this.#onChange(shard);
    });
    const db = client instanceof Cluster ? 0 : (subscriber.options.db ?? 0);
    const channels = this.#keyspace.shards.map((keys, shard) => {
      const channel = `__keyspace@${db}__:${keys.changes}`;
      this.#shardOf.set(channel, shard);
      return channel;
    });
    // A connection that is ready again may lead to another server. The first time, `ensure` does not wait for it.
    this.#configureDue = true;
    let isFirst = true;
    const subscribe = (): void => {
      if (!isFirst) this.#configureDue = true;
      isFirst = false;
      subscriber.subscribe(...channels).catch((thrown: unknown) => {
        // If the connection broke before Redis answered, it becomes ready again.
        if (classify(thrown) === 'broken') this.#warn(thrown);
      });
    };
    subscriber.on('ready', subscribe);
    if (subscriber.status === 'ready') subscribe();
    return subscriber;
  }

  /** Adds our flags to those that are configured. Once for each connection, so that an operator can switch them off. */
  async #configure(masters: readonly Redis[]): Promise<void> {
    try {
      for (const master of masters) {
        const [, flags = ''] = await master.config('GET', 'notify-keyspace-events');
        const missing = NEEDED_FLAGS.filter((flag) => !flags.includes(flag) && !(flag === 't' && flags.includes('A')));
        if (missing.length > 0) await master.config('SET', 'notify-keyspace-events', flags + missing.join(''));
      }
    } catch (thrown) {
      if (classify(thrown) === 'broken') this.#warn(thrown);
      else this.#configureDue = true;
    }
  }

  #warn(thrown: unknown): void {
    if (this.#warned) return;
    this.#warned = true;
    const text = 'no keyspace notifications (notify-keyspace-events Kt): changes are found by polling, up to 1 s later';
    this.#logger.warn({ err: asError(thrown) }, text);
  }
}
