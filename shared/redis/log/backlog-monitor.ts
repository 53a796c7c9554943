/**
 * Measures once a second how far the workers are behind, how full Redis is, and whether it answers: for telemetry,
 * whose scrape must not wait for Redis, and for ingest, which refuses pushes before Redis is too full to merge the
 * backlog.
 *
 *     flowing ──a value above its high-water mark──▶ refusing ──all below their low-water marks──▶ flowing
 */
import { Cluster } from 'ioredis';
import { Gauge, type Registry } from 'prom-client';
import { formatBytes } from '../../config/values/bytes.ts';
import type { Config } from '../../config/config.ts';
import { GatewayError } from '../../errors.ts';
import { sleep } from '../../async/sleep.ts';
import { CONNECT_TIMEOUT_MS, ready, type RedisClient } from '../connection/client.ts';
import type { Connections } from '../connection/connections.ts';
import type { Keyspace } from '../keys.ts';
import { readShardBacklog } from './shard-backlog.ts';

const INTERVAL_MS = 1_000;
/** Interval after the first failure. */
const RETRY_MS = 100;
/** Share of the high-water mark. */
const LOW_WATER = 0.8;

type Backlog = Awaited<ReturnType<typeof measure>>;
type Limited = 'pushes' | 'bytes' | 'memory';

interface BacklogContext {
  readonly config: Config;
  readonly connections: Connections;
  readonly keyspace: Keyspace;
  readonly registry: Registry;
}

export class BacklogMonitor {
  readonly #connections: Connections;
  readonly #keyspace: Keyspace;
  readonly #limits: Config['push'];
  /** Values that were above their high-water mark and are not yet below their low-water mark. */
  readonly #above = new Set<Limited>();
  readonly #abort = new AbortController();
  #running: Promise<void> | undefined;
  #backlog: Backlog = { length: 0, bytes: 0, oldestSeconds: 0, deadLetters: 0 };
  #up: boolean | undefined;
  /** Undefined while pushes flow. */
  #refusal: GatewayError | undefined;

  constructor({ config, connections, keyspace, registry }: BacklogContext) {
    this.#connections = connections;
    this.#keyspace = keyspace;
    this.#limits = config.push;
    const gauges: Readonly<Record<string, readonly [help: string, read: () => number]>> = {
      pushgateway_redis_up: [
        'Whether Redis answered the last check (1) or not (0). There is a check each second.',
        () => Number(this.#up === true),
      ],
      pushgateway_stream_length: ['Number of pushes in the log, which are not merged yet.', () => this.#backlog.length],
      pushgateway_stream_bytes: [
        'Approximate size of the log in the memory of Redis in bytes.',
        () => this.#backlog.bytes,
      ],
      pushgateway_stream_oldest_pending_seconds: [
        'Age of the oldest push in the log in seconds.',
        () => this.#backlog.oldestSeconds,
      ],
      pushgateway_dead_letters: [
        'Number of dead letters: pushes that could not be applied.',
        () => this.#backlog.deadLetters,
      ],
    };
    for (const [name, [help, read]] of Object.entries(gauges)) {
      const gauge: Gauge = new Gauge({ name, help, registers: [registry], collect: () => gauge.set(read()) });
    }
  }

  /** Whether Redis answered when it was last asked; undefined before the first answer or failure. */
  get isRedisUp(): boolean | undefined {
    return this.#up;
  }

  /** Throws `overloaded` or `redis_full` while new pushes have to wait until the workers have caught up. */
  admit(): void {
    if (this.#refusal !== undefined) throw this.#refusal;
  }

  start(): void {
    this.#running = this.#run(this.#connections.open('commands', 'backlog'));
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
        this.#backlog = await measure(client, this.#keyspace);
        const memory = this.#connections.mayInfo ? await memoryUse(client) : 0;
        this.#refusal = this.#judge(this.#backlog, memory);
        this.#up = true;
        failures = 0;
      } catch {
        failures++;
        // A single failure may be a connection that broke or is only being opened.
        if (failures > 1) this.#up = false;
      }
      await sleep(failures === 1 ? RETRY_MS : INTERVAL_MS, signal);
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
    // With an empty log, waiting frees no more memory: the groups may need that much for good.
    if (length === 0 && memory * 100 <= maxMemoryPercent) this.#above.delete('memory');
    if (this.#isAbove('memory', memory * 100, maxMemoryPercent)) {
      const why = `it uses more than ${maxMemoryPercent} % of its maxmemory (--push.max-memory-percent)`;
      return new GatewayError('redis_full', `Redis is out of memory: ${why}; nothing was stored, try again later`);
    }
    return undefined;
  }

  #isAbove(what: Limited, value: number, highWater: number): boolean {
    const isAbove = value > highWater * (this.#above.has(what) ? LOW_WATER : 1);
    if (isAbove) this.#above.add(what);
    else this.#above.delete(what);
    return isAbove;
  }
}

/**
 * Of all shards: the pushes in the log, their approximate size in Redis' memory, the age of the oldest; dead letters.
 */
async function measure(client: RedisClient, keyspace: Keyspace) {
  // One key for each command: while a slot moves, the keys of a shard may be on different nodes.
  const shards = await Promise.all(
    keyspace.shards.map(async ({ pushes, dead }) => {
      const [backlog, deadLetters] = await Promise.all([readShardBacklog(client, pushes), client.xlen(dead)]);
      return { ...backlog, deadLetters };
    }),
  );
  const sum = (of: 'length' | 'bytes' | 'deadLetters'): number => shards.reduce((total, shard) => total + shard[of], 0);
  const now = Date.now();
  const ages = shards.map(({ oldest }) => (oldest === '' ? 0 : now - Number(oldest.split('-')[0])));
  const oldestSeconds = Math.max(0, ...ages) / 1000;
  return { length: sum('length'), bytes: sum('bytes'), oldestSeconds, deadLetters: sum('deadLetters') };
}

function overloaded(log: string): GatewayError {
  return new GatewayError('overloaded', `the log holds ${log}; nothing was stored, try again later`);
}

/** Share of `maxmemory` that is used, of the fullest master; 0 where it is not set. */
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
