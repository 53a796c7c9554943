import { describe, expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { startGateway, type Gateway } from '../../support/servers/gateway.ts';
import { sampleValue, select } from '../../support/metrics-text.ts';
import { startRedis, type RedisServer } from '../../support/redis/server.ts';

// Above a high-water mark pushes are refused until the low-water mark is reached. The log can always be drained.

const LOG = 'pgw:{0}:pushes';
const oneShard = '--redis.shards=1';

async function push(ingest: Gateway, i: number, bytes = 0): Promise<number> {
  const padding = bytes === 0 ? '' : `# ${'x'.repeat(bytes)}\nbig{padding="${'y'.repeat(bytes)}"} 1\n`;
  return (await ingest.push(`/metrics/job/j/n/${i}`, `m ${i}\n${padding}`)).status;
}

/** Pushes until one is refused, and returns that answer. */
async function fillUp(ingest: Gateway, bytes = 0) {
  let i = 0;
  return eventually(
    async () => {
      for (let more = 0; more < 20; more++) await push(ingest, i++, bytes);
      const answer = await ingest.push(`/metrics/job/j/n/${i++}`, 'm 1\n');
      return answer.status === 202 ? false : answer;
    },
    { timeoutMs: 20_000, what: 'a refusal' },
  );
}

const flows = async (ingest: Gateway): Promise<boolean> => (await push(ingest, 0)) === 202;

async function shrinkLog(redis: RedisServer, to: number): Promise<void> {
  await redis.cli('XTRIM', LOG, 'MAXLEN', String(to));
}

/** Interval at which the gateway measures the log, ms. */
const afterALook = async (ingest: Gateway): Promise<void> => {
  const length = async () => sampleValue(await ingest.telemetry(), 'pushgateway_stream_length');
  const before = await length();
  await eventually(async () => (await length()) !== before, { what: 'a look at the log' });
};

describe('the log', () => {
  test.for([
    ['pushes', '--push.max-backlog=100', 0, /100/],
    ['bytes', '--push.max-backlog-bytes=1MiB', 20_000, /1MiB/],
  ] as const)('too many %s: 429 until a fifth is gone', async ([, limit, bytes, reason]) => {
    const redis = await startRedis();
    const ingest = await startGateway({ redis, role: 'ingest', args: [oneShard, limit] });
    const refused = await fillUp(ingest, bytes);
    expect(refused).toMatchObject({ status: 429, headers: { 'retry-after': '1' } });
    expect(refused.text).toMatch(reason);
    expect(refused.text).toContain('nothing was stored');
    expect(await ingest.ingest('m 1\n')).toMatchObject({ status: 429 });

    // The marks follow from the content of the log at the moment when the limit is reached.
    const { high } = await sizes(redis, ingest, bytes);
    await shrinkLog(redis, Math.floor(high * 0.93));
    await afterALook(ingest);
    expect(await push(ingest, 1)).toBe(429);
    await shrinkLog(redis, Math.floor(high * 0.7));
    await eventually(async () => flows(ingest), { what: 'pushes to flow again' });

    await startGateway({ redis, role: 'worker', args: [oneShard] });
    await eventually(async () => Number(await redis.cli('XLEN', LOG)) === 0, { timeoutMs: 10_000 });
    expect(await flows(ingest)).toBe(true);
  });

  /** Number of pushes at the limit. */
  async function sizes(redis: RedisServer, ingest: Gateway, bytes: number): Promise<{ high: number }> {
    if (bytes === 0) return { high: 100 };
    await afterSettling(ingest);
    const text = await ingest.telemetry();
    const held = sampleValue(text, 'pushgateway_stream_bytes') ?? 0;
    const length = Number(await redis.cli('XLEN', LOG));
    return { high: (length * 1024 * 1024) / held };
  }

  /** Pushes are refused, so two successive measurements are equal. */
  async function afterSettling(ingest: Gateway): Promise<void> {
    let last: number | undefined;
    await eventually(
      async () => {
        const bytes = sampleValue(await ingest.telemetry(), 'pushgateway_stream_bytes');
        const isSame = bytes === last && bytes !== 0;
        last = bytes;
        return isSame;
      },
      { intervalMs: 1_100, timeoutMs: 10_000 },
    );
  }
});

describe('the memory of Redis', () => {
  const use = async (redis: RedisServer): Promise<number> => Number(await redis.info('used_memory'));
  /** Sets maxmemory so that this share of it is in use. */
  const fillTo = async (redis: RedisServer, percent: number): Promise<unknown> =>
    redis.cli('CONFIG', 'SET', 'maxmemory', String(Math.round((await use(redis)) / (percent / 100))));

  test('stored groups that need most of it cause no refusals once the log is empty', async () => {
    const redis = await startRedis();
    const gateway = await startGateway({ redis, args: [oneShard] });
    // A large amount, so that the rest is enough for the connections and scripts of the gateway.
    await redis.cli('SETRANGE', 'stored', '20000000', 'x');
    await fillTo(redis, 95);
    await eventually(async () => (await push(gateway, 1)) === 503, { what: 'a refusal' });
    expect((await gateway.push('/metrics/job/j', 'm 1\n')).text).toMatch(/--push\.max-memory-percent/);
    await fillTo(redis, 75);
    await eventually(async () => flows(gateway), { what: 'pushes to flow again' });
  });

  test('full in the middle of a burst: accepted pushes are merged, and later pushes are accepted again', async () => {
    const redis = await startRedis();
    const ingest = await startGateway({ redis, role: 'ingest' });
    const reader = await startGateway({ redis, role: 'reader' });
    const worker = await startGateway({ redis, role: 'worker' });
    await eventually(async () => flows(ingest));
    worker.process.signal('SIGSTOP');
    await redis.cli('CONFIG', 'SET', 'maxmemory', String((await use(redis)) + 20_000_000));

    // Few groups, so that merging the pushes needs less memory than the pushes themselves.
    const taken = new Map<number, number>();
    const statuses = new Set<number>();
    for (let i = 0; i < 2_000 && !statuses.has(503); i += 10) {
      const answers = await Promise.all(
        Array.from({ length: 10 }, async (_, k) => {
          const body = `burst ${i}\nbig{padding="${'y'.repeat(50_000)}"} ${i}\n`;
          const { status } = await ingest.push(`/metrics/job/burst/n/${k}`, body);
          if (status === 202) taken.set(k, i);
          return status;
        }),
      );
      for (const status of answers) statuses.add(status);
    }
    expect(statuses).toEqual(new Set([202, 503]));

    worker.process.signal('SIGCONT');
    await eventually(async () => flows(ingest), { timeoutMs: 20_000, what: 'pushes to flow again' });
    await eventually(async () => {
      const shown = select(await reader.scrape(), 'burst').map(({ labels, value }) => [Number(labels['n']), value]);
      expect(new Map(shown as [number, number][])).toEqual(taken);
    });
    expect(sampleValue(await ingest.telemetry(), 'pushgateway_dead_letters')).toBe(0);
  });
});
