import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { startGateway, type Gateway } from '../../support/servers/gateway.ts';
import { stopwatch } from '../../support/process/machine-load.ts';
import { sampleValue } from '../../support/metrics-text.ts';
import { startRedis, type RedisServer } from '../../support/redis/server.ts';
import { keepAlive, request } from '../../support/http/request.ts';

// Keyspace notifications make a push visible at once; without them it takes a poll, and never more than 2 s.

/** What the issue asks for; a poll takes up to a second, so what is below was not found by polling. */
const NOTIFIED_MS = 100;
const POLLED_MS = 2_000;

/**
 * Pushes through `ingest` one after the other, and measures from sending each until `reader` shows it. Sorted. Without the
 * time for which one of them waited for a CPU, unless another clock is given.
 */
async function latencies(count: number, ingest: Gateway, reader = ingest, start = stopwatch): Promise<number[]> {
  const agent = keepAlive(2);
  const measured: number[] = [];
  try {
    for (let i = 0; i < count; i++) {
      const value = Math.random();
      const took = start();
      const answer = await ingest.push('/metrics/job/timed', `timed ${value}\n`, { agent });
      expect(answer.status).toBe(202);
      await eventually(
        async () => sampleValue((await request(reader.url, '/metrics', { agent })).text, 'timed') === value,
        { intervalMs: 1, what: `push ${i} to be visible` },
      );
      measured.push(took());
      await sleep(Math.random() * 40); // light load, and no phase in common with anything
    }
  } finally {
    agent.destroy();
  }
  return measured.toSorted((a, b) => a - b);
}

function wallClock(): () => number {
  const startedAt = performance.now();
  return () => performance.now() - startedAt;
}

function median(sorted: readonly number[]): number {
  return sorted[sorted.length >> 1] ?? NaN;
}

async function configured(redis: RedisServer): Promise<string> {
  return (await redis.cli('CONFIG', 'GET', 'notify-keyspace-events')).split('\n')[1] ?? '';
}

test('with them, 30 pushes at a light load are visible within 100 ms', async () => {
  const redis = await startRedis();
  const gateway = await startGateway({ redis });
  const other = await startGateway({ redis, role: 'reader' });
  for (const reader of [gateway, other]) {
    const measured = await latencies(30, gateway, reader);
    console.log(`visible after ${median(measured).toFixed(1)} ms (median), ${measured.at(-1)?.toFixed(1)} ms (worst)`);
    expect(median(measured)).toBeLessThan(NOTIFIED_MS / 2);
    // One in ten may meet a machine that has other things to do.
    expect(measured[Math.floor(measured.length * 0.9)]).toBeLessThan(NOTIFIED_MS);
  }
});

test('switched off while it runs: within 2 s, and left off; switched on again: within 100 ms', async () => {
  const redis = await startRedis();
  const gateway = await startGateway({ redis });
  await latencies(1, gateway);
  await redis.cli('CONFIG', 'SET', 'notify-keyspace-events', '');
  expect((await latencies(3, gateway)).at(-1)).toBeLessThan(POLLED_MS);
  // Had they all been fast, this test would not test what it says.
  expect((await latencies(3, gateway, gateway, wallClock)).at(-1)).toBeGreaterThan(NOTIFIED_MS);
  expect(await configured(redis)).toBe('');

  await redis.cli('CONFIG', 'SET', 'notify-keyspace-events', 'KEA');
  expect(median(await latencies(7, gateway))).toBeLessThan(NOTIFIED_MS);
});

test('what others need to be notified of stays configured', async () => {
  const redis = await startRedis({ args: ['--notify-keyspace-events', 'Ex'] });
  const gateway = await startGateway({ redis });
  expect(median(await latencies(7, gateway))).toBeLessThan(NOTIFIED_MS);
  expect((await configured(redis)).split('').toSorted().join('')).toBe('EKtx');
});

test('after a restart of Redis, which forgets the setting, they are back', async () => {
  const redis = await startRedis();
  const gateway = await startGateway({ redis });
  await redis.kill();
  await redis.restart();
  expect(await configured(redis)).toBe('');
  await eventually(async () => (await configured(redis)).includes('K'), { what: 'the setting' });
  expect(median(await latencies(7, gateway))).toBeLessThan(NOTIFIED_MS);
});

describe('a user who may not', () => {
  const password = 'a-secret';

  async function startLimited(rights: readonly string[], args: readonly string[] = []) {
    const redis = await startRedis({ args });
    await redis.cli('ACL', 'SETUSER', 'limited', 'on', `>${password}`, '~*', '&*', '+@all', ...rights);
    const env = { PUSHGATEWAY_REDIS_USERNAME: 'limited', PUSHGATEWAY_REDIS_PASSWORD: password };
    return startGateway({ redis, env });
  }

  test('CONFIG, where it is configured already: within 100 ms', async () => {
    const gateway = await startLimited(['-config'], ['--notify-keyspace-events', 'Kt']);
    expect(median(await latencies(7, gateway))).toBeLessThan(NOTIFIED_MS);
    expect(gateway.process.log()).not.toContain(password);
  });

  test.for([
    ['CONFIG and SUBSCRIBE', ['-config', '-subscribe', '-psubscribe', '-ssubscribe']],
    ['anything dangerous, nor of the administration', ['-@dangerous', '-@admin', '+info']],
  ] as const)('%s: within 2 s, and it is said once', async ([, rights]) => {
    const gateway = await startLimited(rights);
    expect((await latencies(2, gateway)).at(-1)).toBeLessThan(POLLED_MS);
    expect(gateway.process.log().match(/no keyspace notifications/g)).toHaveLength(1);
  });
});
