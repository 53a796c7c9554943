/**
 * Watches how far the workers are behind, how full Redis is, and whether it answers: a look each second, kept for telemetry
 * (a scrape of it never waits for Redis) and for ingest, which stops taking pushes before Redis is too full to drain them.
 *
 *     flowing ──above a high-water mark──▶ refusing ──below four fifths of it──▶ flowing
 */
import { Cluster } from 'ioredis';
import { Gauge, type Registry } from 'prom-client';
import { formatBytes } from '../../config/values/bytes.ts';
import type { Config } from '../../config/config.ts';
import { GatewayError } from '../../errors.ts';
import { sleep } from '../../async/sleep.ts';
import { CONNECT_TIMEOUT_MS, ready, type Connections, type RedisClient } from '../connection/connections.ts';
import type { Keyspace } from '../keys.ts';
import { Script } from '../scripts/scripts.ts';

const LOOK_MS = 1_000;
/** After a look that failed. */
const AGAIN_MS = 100;

export interface Backlog {
  /** Pushes in the log. */
  readonly length: number;
  /** About their size in Redis' memory. */
  readonly bytes: number;
  /** Age of the oldest push in the log, s. */
  readonly oldestSeconds: number;
  readonly deadLetters: number;
}

type Limited = 'pushes' | 'bytes' | 'memory';

const NOTHING: Backlog = { length: 0, bytes: 0, oldestSeconds: 0, deadLetters: 0 };
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
  readonly #limits: Config['push'];
  /** Limits that were reached, and are until their low-water mark. */
  readonly #above = new Set<Limited>();
  readonly #abort = new AbortController();
  readonly #script = new Script('backlog');
  #running: Promise<void> | undefined;
  #backlog = NOTHING;
  #up: boolean | undefined;
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
      Number(this.#up === true),
    );
    gauge('pushgateway_stream_length', 'Pushes in the log that are not settled yet.', () => this.#backlog.length);
    gauge('pushgateway_stream_bytes', 'About the memory that the log takes in Redis.', () => this.#backlog.bytes);
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

  /** Whether Redis answered the last time it was asked; undefined before it was, or has. */
  get isRedisUp(): boolean | undefined {
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

  #judge({ length, bytes }: Backlog, memory: number): GatewayError | undefined {
    const { maxBacklog, maxBacklogBytes, maxMemoryPercent } = this.#limits;
    if (this.#isAbove('pushes', length, maxBacklog || Infinity)) {
      return overloaded(`${length} pushes that are not merged yet (--push.max-backlog=${maxBacklog})`);
    }
    if (this.#isAbove('bytes', bytes, maxBacklogBytes)) {
      const size = formatBytes(maxBacklogBytes);
      return overloaded(`more than ${size} of pushes that are not merged yet (--push.max-backlog-bytes)`);
    }
    // With nothing left to drain, waiting would free no more: what is stored may need that much for good.
    if (length === 0 && memory * 100 <= maxMemoryPercent) this.#above.delete('memory');
    if (this.#isAbove('memory', memory * 100, maxMemoryPercent)) {
      const why = `Redis is out of memory: it uses more than ${maxMemoryPercent} % of its maxmemory (--push.max-memory-percent)`;
      return new GatewayError('redis_full', `${why}; nothing was stored, try again later`);
    }
    return undefined;
  }

  #isAbove(what: Limited, value: number, highWater: number): boolean {
    const isAbove = value > highWater * (this.#above.has(what) ? LOW_WATER : 1);
    if (isAbove) this.#above.add(what);
    else this.#above.delete(what);
    return isAbove;
  }

  async #look(client: RedisClient): Promise<Backlog> {
    const looks = this.#keyspace.shards.map(async ({ pushes, dead }) => {
      // One key a command: while a slot moves, they are not always in the same place.
      const [reply, deadLetters] = await Promise.all([this.#script.run(client, [pushes], []), client.xlen(dead)]);
      const [length, bytes, oldestId] = reply as [number, number, string];
      return { length, bytes, oldestMs: oldestId === '' ? Infinity : Number(oldestId.split('-')[0]), deadLetters };
    });
    const shards = await Promise.all(looks);
    const sum = (of: 'length' | 'bytes' | 'deadLetters'): number =>
      shards.reduce((total, shard) => total + shard[of], 0);
    const oldestMs = Math.min(...shards.map((shard) => shard.oldestMs));
    return {
      length: sum('length'),
      bytes: sum('bytes'),
      oldestSeconds: oldestMs === Infinity ? 0 : Math.max(0, Date.now() - oldestMs) / 1000,
      deadLetters: sum('deadLetters'),
    };
  }
}

function overloaded(log: string): GatewayError {
  return new GatewayError('overloaded', `the log holds ${log}; nothing was stored, try again later`);
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
