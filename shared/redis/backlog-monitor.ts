/**
 * Watches how far the workers are behind, how full Redis is, and whether it answers: a look each second, kept for telemetry
 * (a scrape of it never waits for Redis) and for ingest, which stops taking pushes before Redis is too full to drain them.
 *
 *     flowing ──above a high-water mark──▶ refusing ──below four fifths of it──▶ flowing
 */
import { Cluster } from 'ioredis';
import { Gauge, type Registry } from 'prom-client';
import type { Config } from '../config/config.ts';
import { GatewayError } from '../errors.ts';
import { sleep } from '../lifecycle.ts';
import { CONNECT_TIMEOUT_MS, ready, type Connections, type RedisClient } from './connections.ts';
import type { Keyspace } from './keys.ts';
import { Script } from './scripts.ts';

const LOOK_MS = 1_000;
/** After a look that failed. */
const AGAIN_MS = 100;

export interface Backlog {
  /** Pushes in the log. */
  readonly length: number;
  /** Age of the oldest push in the log, s. */
  readonly oldestSeconds: number;
  readonly deadLetters: number;
}

const NOTHING: Backlog = { length: 0, oldestSeconds: 0, deadLetters: 0 };
/** Of the high-water mark. */
const LOW_WATER = 0.8;

export interface BacklogContext {
  readonly config: Config;
  readonly connections: Connections;
  readonly keyspace: Keyspace;
  readonly registry: Registry;
}

export class BacklogMonitor {
  readonly #connections: Connections;
  readonly #keyspace: Keyspace;
  readonly #limits: { readonly maxBacklog: number; readonly maxMemoryPercent: number };
  readonly #abort = new AbortController();
  readonly #script = new Script('backlog');
  #running: Promise<void> | undefined;
  #backlog = NOTHING;
  #up = false;
  /** Undefined while pushes flow. */
  #refusal: GatewayError | undefined;

  constructor({ config, connections, keyspace, registry }: BacklogContext) {
    this.#connections = connections;
    this.#keyspace = keyspace;
    this.#limits = config.push;
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

  /** Throws `overloaded` or `redis_full` while new pushes must wait until the workers have caught up. */
  admit(): void {
    if (this.#refusal !== undefined) throw this.#refusal;
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
    let failures = 0;
    while (!signal.aborted) {
      try {
        this.#backlog = await this.#look(client);
        const memory = this.#connections.mayInfo ? await memoryUse(client) : 0;
        this.#refusal = this.#judge(this.#backlog, memory);
        this.#up = true;
        failures = 0;
      } catch {
        failures++;
        // Once may be a connection that broke, or is only being opened.
        if (failures > 1) this.#up = false;
      }
      await sleep(failures === 1 ? AGAIN_MS : LOOK_MS, signal);
    }
    this.#connections.close(client);
  }

  #judge({ length }: Backlog, memory: number): GatewayError | undefined {
    const { maxBacklog, maxMemoryPercent } = this.#limits;
    const mark = this.#refusal === undefined ? 1 : LOW_WATER;
    if (maxBacklog > 0 && length > maxBacklog * mark) {
      const why = `the log holds ${length} pushes that are not merged yet (--push.max-backlog=${maxBacklog})`;
      return new GatewayError('overloaded', `${why}; nothing was stored, try again later`);
    }
    if (memory * 100 > maxMemoryPercent * mark) {
      const why = `Redis is out of memory: it uses more than ${maxMemoryPercent} % of its maxmemory (--push.max-memory-percent)`;
      return new GatewayError('redis_full', `${why}; nothing was stored, try again later`);
    }
    return undefined;
  }

  async #look(client: RedisClient): Promise<Backlog> {
    const looks = this.#keyspace.shards.map(async ({ pushes, dead }) => {
      // One key a command: while a slot moves, they are not always in the same place.
      const [reply, deadLetters] = await Promise.all([this.#script.run(client, [pushes], []), client.xlen(dead)]);
      const [length, oldestId] = reply as [number, string];
      return { length, oldestMs: oldestId === '' ? Infinity : Number(oldestId.split('-')[0]), deadLetters };
    });
    const shards = await Promise.all(looks);
    const sum = (of: 'length' | 'deadLetters'): number => shards.reduce((total, shard) => total + shard[of], 0);
    const oldestMs = Math.min(...shards.map((shard) => shard.oldestMs));
    return {
      length: sum('length'),
      oldestSeconds: oldestMs === Infinity ? 0 : Math.max(0, Date.now() - oldestMs) / 1000,
      deadLetters: sum('deadLetters'),
    };
  }
}

/** Of the fullest master, as a part of its `maxmemory`; 0 where that is not set. */
async function memoryUse(client: RedisClient): Promise<number> {
  const nodes = client instanceof Cluster ? client.nodes('master') : [client];
  const uses = nodes.map(async (node) => {
    const info = await node.info('memory');
    const read = (name: string): number => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1] ?? 0);
    const max = read('maxmemory');
    return max === 0 ? 0 : read('used_memory') / max;
  });
  return Math.max(0, ...(await Promise.all(uses)));
}
