/**
 * Wakes the change feed when a shard's `changes` stream grows: keyspace notifications of XADD.
 *
 * Best effort throughout. A managed Redis may refuse CONFIG, an ACL may refuse SUBSCRIBE, a notification may get lost: the
 * feed's poll then finds the change a little later.
 */
import { Cluster, type Redis } from 'ioredis';
import type { Logger } from '../../logger.ts';
import { asError } from '../../errors.ts';
import type { Connections, RedisClient } from '../connection/connections.ts';
import type { Keyspace } from '../keys.ts';
import { classify } from '../connection/error-classes.ts';

/** K: keyspace channels. t: stream commands. */
const WANTED = ['K', 't'] as const;

export class Notifications {
  readonly #connections: Connections;
  readonly #logger: Logger;
  readonly #onChange: (shard: number) => void;
  readonly #shardOf = new Map<string, number>();
  readonly #keyspace: Keyspace;
  readonly #subscribers = new Map<string, Redis>();
  #switchOn = false;
  #complained = false;

  constructor(connections: Connections, keyspace: Keyspace, logger: Logger, onChange: (shard: number) => void) {
    this.#connections = connections;
    this.#keyspace = keyspace;
    this.#logger = logger;
    this.#onChange = onChange;
  }

  /** Brings the subscriptions in line with the masters there are now. Never throws; called every poll. */
  async ensure(client: RedisClient): Promise<void> {
    const masters = client instanceof Cluster ? client.nodes('master') : [undefined];
    const names = masters.map((master) =>
      master === undefined ? '' : `${master.options.host}:${master.options.port}`,
    );
    for (const [name, subscriber] of this.#subscribers) {
      if (names.includes(name) && subscriber.status !== 'end') continue;
      this.#connections.close(subscriber);
      this.#subscribers.delete(name);
    }
    for (const [i, name] of names.entries()) {
      if (!this.#subscribers.has(name)) this.#subscribers.set(name, this.#subscribe(client, masters[i]));
    }
    if (!this.#switchOn) return;
    this.#switchOn = false;
    await this.#configure(masters.map((master) => master ?? (client as Redis)));
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
    this.#switchOn = true;
    let isFirst = true;
    const subscribe = (): void => {
      // A server that came back may be another one, without our setting. The first time it is `ensure` that sees to it.
      if (!isFirst) this.#switchOn = true;
      isFirst = false;
      subscriber.subscribe(...channels).catch((thrown: unknown) => {
        // A connection that broke before Redis had answered comes back, and is ready again.
        if (classify(thrown) === 'broken') this.#complain(thrown);
      });
    };
    subscriber.on('ready', subscribe);
    if (subscriber.status === 'ready') subscribe();
    return subscriber;
  }

  /** Adds to what is configured, for others may need their own; once a connection, so that an operator may switch it off. */
  async #configure(masters: readonly Redis[]): Promise<void> {
    try {
      for (const master of masters) {
        const [, flags = ''] = await master.config('GET', 'notify-keyspace-events');
        const missing = WANTED.filter((flag) => !flags.includes(flag) && !(flag === 't' && flags.includes('A')));
        if (missing.length > 0) await master.config('SET', 'notify-keyspace-events', flags + missing.join(''));
      }
    } catch (thrown) {
      if (classify(thrown) === 'broken') this.#complain(thrown);
      else this.#switchOn = true;
    }
  }

  #complain(thrown: unknown): void {
    if (this.#complained) return;
    this.#complained = true;
    this.#logger.warn(
      { err: asError(thrown) },
      'no keyspace notifications (notify-keyspace-events Kt): changes are found by polling, up to 1 s later',
    );
  }
}
