import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { startGateway, type Gateway } from '../../support/servers/gateway.ts';
import { stopwatch } from '../../support/process/machine-load.ts';
import { sampleValue } from '../../support/metrics-text.ts';
import { startRedis, type RedisServer } from '../../support/redis/server.ts';
import { keepAlive, request } from '../../support/http/request.ts';

// With keyspace notifications a push is visible at once; without them after a poll, within 2 s.

/** Time to be visible, ms. A poll takes up to a second, so a shorter time needs notifications. */
const NOTIFIED_MS = 100;
const POLLED_MS = 2_000;

/**
 * Pushes through `ingest` one after the other. Returns the times from sending each push until `reader` shows it,
 * sorted, without the time for which one of them waited for a CPU, unless another clock is given.
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
      await sleep(Math.random() * 40); // a light load that is not in phase with any timer
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

test('with notifications, 30 pushes at a light load are visible within 100 ms', async () => {
  const redis = await startRedis();
  const gateway = await startGateway({ redis });
  const other = await startGateway({ redis, role: 'reader' });
  for (const reader of [gateway, other]) {
    const measured = await latencies(30, gateway, reader);
    console.log(`visible after ${median(measured).toFixed(1)} ms (median), ${measured.at(-1)?.toFixed(1)} ms (worst)`);
    expect(median(measured)).toBeLessThan(NOTIFIED_MS / 2);
    // One in ten may be slower because the machine is busy.
    expect(measured[Math.floor(measured.length * 0.9)]).toBeLessThan(NOTIFIED_MS);
  }
});

test('switched off at run time: within 2 s, and they stay off; switched on again: within 100 ms', async () => {
  const redis = await startRedis();
  const gateway = await startGateway({ redis });
  await latencies(1, gateway);
  await redis.cli('CONFIG', 'SET', 'notify-keyspace-events', '');
  expect((await latencies(3, gateway)).at(-1)).toBeLessThan(POLLED_MS);
  // If all pushes had been fast, notifications would still be on.
  expect((await latencies(3, gateway, gateway, wallClock)).at(-1)).toBeGreaterThan(NOTIFIED_MS);
  expect(await configured(redis)).toBe('');

  await redis.cli('CONFIG', 'SET', 'notify-keyspace-events', 'KEA');
  expect(median(await latencies(7, gateway))).toBeLessThan(NOTIFIED_MS);
});

test('notifications that other programs need stay configured', async () => {
  const redis = await startRedis({ args: ['--notify-keyspace-events', 'Ex'] });
  const gateway = await startGateway({ redis });
  expect(median(await latencies(7, gateway))).toBeLessThan(NOTIFIED_MS);
  expect((await configured(redis)).split('').toSorted().join('')).toBe('EKtx');
});

test('after a restart of Redis, which loses the setting, they are configured again', async () => {
  const redis = await startRedis();
  const gateway = await startGateway({ redis });
  await redis.kill();
  await redis.restart();
  expect(await configured(redis)).toBe('');
  await eventually(async () => (await configured(redis)).includes('K'), { what: 'the setting' });
  expect(median(await latencies(7, gateway))).toBeLessThan(NOTIFIED_MS);
});

describe('a user without permission for', () => {
  const password = 'a-secret';

  async function startLimited(rights: readonly string[], args: readonly string[] = []) {
    const redis = await startRedis({ args });
    await redis.cli('ACL', 'SETUSER', 'limited', 'on', `>${password}`, '~*', '&*', '+@all', ...rights);
    const env = { PUSHGATEWAY_REDIS_USERNAME: 'limited', PUSHGATEWAY_REDIS_PASSWORD: password };
    return startGateway({ redis, env });
  }

  test('CONFIG, if notifications are already configured: within 100 ms', async () => {
    const gateway = await startLimited(['-config'], ['--notify-keyspace-events', 'Kt']);
    expect(median(await latencies(7, gateway))).toBeLessThan(NOTIFIED_MS);
    expect(gateway.process.log()).not.toContain(password);
  });

  test.for([
    ['CONFIG and SUBSCRIBE', ['-config', '-subscribe', '-psubscribe', '-ssubscribe']],
    ['dangerous and administrative commands', ['-@dangerous', '-@admin', '+info']],
  ] as const)('%s: within 2 s, and it is logged once', async ([, rights]) => {
    const gateway = await startLimited(rights);
    expect((await latencies(2, gateway)).at(-1)).toBeLessThan(POLLED_MS);
    expect(gateway.process.log().match(/no keyspace notifications/g)).toHaveLength(1);
  });
});
