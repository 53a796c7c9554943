/**
 * Watches how far the workers are behind, and whether Redis answers: a look every few seconds, kept for telemetry, so that
 * a scrape of it never waits for Redis.
 */
import { Gauge, type Registry } from 'prom-client';
import { sleep } from '../lifecycle.ts';
import { CONNECT_TIMEOUT_MS, ready, type Connections, type RedisClient } from './connections.ts';
import type { Keyspace } from './keys.ts';
import { CONSUMER_GROUP } from './push-consumer.ts';
import { Script } from './scripts.ts';

const LOOK_MS = 1_000;

export interface Backlog {
  /** Pushes in the log, delivered or not. */
  readonly length: number;
  /** Pushes delivered to a worker and not settled. */
  readonly pending: number;
  /** Age of the oldest push in the log, s. */
  readonly oldestSeconds: number;
  readonly deadLetters: number;
}

const NOTHING: Backlog = { length: 0, pending: 0, oldestSeconds: 0, deadLetters: 0 };

export class BacklogMonitor {
  readonly #connections: Connections;
  readonly #keyspace: Keyspace;
  readonly #abort = new AbortController();
  readonly #script = new Script('backlog');
  #running: Promise<void> | undefined;
  #backlog = NOTHING;
  #up = false;

  constructor({
    connections,
    keyspace,
    registry,
  }: {
    connections: Connections;
    keyspace: Keyspace;
    registry: Registry;
  }) {
    this.#connections = connections;
    this.#keyspace = keyspace;
    const gauge = (name: string, help: string, read: () => number): Gauge =>
      new Gauge({
        name,
        help,
        registers: [registry],
        collect() {
          this.set(read());
        },
      });
    gauge('pushgateway_redis_up', 'Whether Redis answered the last time it was asked (each second).', () =>
      Number(this.#up),
    );
    gauge('pushgateway_stream_length', 'Pushes in the log that are not settled yet.', () => this.#backlog.length);
    gauge(
      'pushgateway_stream_pending',
      'Pushes that a worker was given and has not settled.',
      () => this.#backlog.pending,
    );
    gauge(
      'pushgateway_stream_oldest_pending_seconds',
      'Age of the oldest push in the log.',
      () => this.#backlog.oldestSeconds,
    );
    gauge(
      'pushgateway_dead_letters',
      'Pushes put aside because they could not be applied.',
      () => this.#backlog.deadLetters,
    );
  }

  /** Whether Redis answered the last time it was asked. */
  get isRedisUp(): boolean {
    return this.#up;
  }

  start(): void {
    const client = this.#connections.open('commands', 'backlog');
    this.#running = this.#run(client);
  }

  async destroy(): Promise<void> {
    this.#abort.abort();
    await this.#running;
  }

  async #run(client: RedisClient): Promise<void> {
    const { signal } = this.#abort;
    await ready(client, CONNECT_TIMEOUT_MS, signal);
    while (!signal.aborted) {
      try {
        this.#backlog = await this.#look(client);
        this.#up = true;
      } catch {
        this.#up = false;
      }
      await sleep(LOOK_MS, signal);
    }
    this.#connections.close(client);
  }

  async #look(client: RedisClient): Promise<Backlog> {
    const looks = this.#keyspace.shards.map(async ({ pushes, dead }) => {
      const reply = (await this.#script.run(client, [pushes, dead], [CONSUMER_GROUP])) as [
        number,
        number,
        string,
        number,
      ];
      const [length, pending, oldestId, deadLetters] = reply;
      return { length, pending, oldestMs: oldestId === '' ? Infinity : Number(oldestId.split('-')[0]), deadLetters };
    });
    const shards = await Promise.all(looks);
    const sum = (of: 'length' | 'pending' | 'deadLetters'): number =>
      shards.reduce((total, shard) => total + shard[of], 0);
    const oldestMs = Math.min(...shards.map((shard) => shard.oldestMs));
    return {
      length: sum('length'),
      pending: sum('pending'),
      oldestSeconds: oldestMs === Infinity ? 0 : Math.max(0, Date.now() - oldestMs) / 1000,
      deadLetters: sum('deadLetters'),
    };
  }
}
