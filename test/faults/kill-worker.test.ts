import { expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import { sampleSum, sampleValue } from '../support/metrics-text.ts';
import { auditPushes, countOutcomes } from '../support/push-audit.ts';
import { startRedis, type RedisServer } from '../support/redis.ts';
import { keepAlive } from '../support/request.ts';

// A worker dies or freezes with pushes in its hands: another one takes them over, and each takes effect once.

const GROUPS = 25;
const workerArgs = ['--worker.claim-idle=1s'];

interface Fleet {
  readonly redis: RedisServer;
  readonly ingest: Gateway;
  readonly reader: Gateway;
  /** Pushes acknowledged so far. */
  appended: number;
}

async function startFleet(): Promise<Fleet> {
  const redis = await startRedis();
  const ingest = await startGateway({ redis, role: 'ingest' });
  const reader = await startGateway({ redis, role: 'reader' });
  return { redis, ingest, reader, appended: 0 };
}

/** Pushes each group's next `count` values in order, all groups at once; big enough to keep a worker busy for a moment. */
async function pushValues(fleet: Fleet, from: number, count: number): Promise<void> {
  const agent = keepAlive(GROUPS);
  const ballast = Array.from({ length: 100 }, (_, i) => `ballast${i} 1\n`).join('');
  const groups = Array.from({ length: GROUPS }, async (_, group) => {
    for (let value = from; value < from + count; value++) {
      const method = value % 3 === 0 ? 'PUT' : 'POST';
      const answer = await fleet.ingest.push(`/metrics/job/j/group/${group}`, `step ${value}\n${ballast}`, {
        agent,
        method,
      });
      expect(answer.status).toBe(202);
      fleet.appended++;
    }
  });
  await Promise.all(groups);
  agent.destroy();
}

/** All groups show the value, nothing is left in the log, and every push was settled exactly once. */
async function expectSettled({ redis, reader, appended }: Fleet, value: number): Promise<void> {
  await eventually(async () => (await auditPushes(redis)).logged === 0, { timeoutMs: 20_000, what: 'an empty log' });
  const audit = await auditPushes(redis);
  const { a = 0, s = 0, ...others } = countOutcomes(audit);
  expect(others).toEqual({});
  expect(a + s).toBe(appended);
  expect(audit.dead).toBe(0);
  await eventually(async () => {
    const text = await reader.scrape();
    for (let group = 0; group < GROUPS; group++)
      expect(sampleValue(text, 'step', { group: String(group) })).toBe(value);
  });
}

async function pending(redis: RedisServer): Promise<number> {
  return (await auditPushes(redis)).pending;
}

test('killed in mid-batch: another worker takes over within claim-idle, every push is applied once', async () => {
  const fleet = await startFleet();
  await pushValues(fleet, 1, 20);
  const first = await startGateway({ redis: fleet.redis, role: 'worker', args: workerArgs, waitUntilReady: false });
  await eventually(async () => (await pending(fleet.redis)) > 0, { intervalMs: 1, what: 'a worker with a batch' });
  await first.kill();
  const left = await pending(fleet.redis);
  expect(left).toBeGreaterThan(0);

  const second = await startGateway({ redis: fleet.redis, role: 'worker', args: workerArgs });
  await pushValues(fleet, 21, 5);
  const startedAt = performance.now();
  await expectSettled(fleet, 25);
  console.log(`${left} pushes in hand when killed; all settled ${Math.round(performance.now() - startedAt)} ms later`);
  expect(sampleSum(await second.telemetry(), 'pushgateway_pushes_reclaimed_total')).toBe(left);
});

test('killed again and again while pushes come in: every push is applied once', async () => {
  const fleet = await startFleet();
  const [one, two] = [
    await startGateway({ redis: fleet.redis, role: 'worker', args: workerArgs }),
    await startGateway({ redis: fleet.redis, role: 'worker', args: workerArgs }),
  ];
  const pushing = pushValues(fleet, 1, 24);
  for (let round = 0; round < 4; round++) {
    const victim = round % 2 === 0 ? one : two;
    const target = fleet.appended + 100;
    await eventually(() => fleet.appended >= target || fleet.appended === GROUPS * 24, { timeoutMs: 20_000 });
    await victim.kill();
    await victim.restart();
  }
  await pushing;
  await expectSettled(fleet, 24);
});

test('frozen for longer than claim-idle, then let go: it does no harm', async () => {
  const fleet = await startFleet();
  const frozen = await startGateway({ redis: fleet.redis, role: 'worker', args: workerArgs });
  const pushing = pushValues(fleet, 1, 20);
  await eventually(
    async () => {
      frozen.process.signal('SIGSTOP');
      if ((await pending(fleet.redis)) > 0) return true;
      frozen.process.signal('SIGCONT');
      return false;
    },
    { intervalMs: 1, timeoutMs: 20_000, what: 'a worker frozen with a batch' },
  );
  await pushing;

  await startGateway({ redis: fleet.redis, role: 'worker', args: workerArgs });
  await pushValues(fleet, 21, 1);
  await expectSettled(fleet, 21);
  frozen.process.signal('SIGCONT');
  // It answers again, so it has gone on with what it had in hand.
  await frozen.waitUntilReady();
  await pushValues(fleet, 22, 2);
  await expectSettled(fleet, 23);
});

test('busy for longer than claim-idle: what it has in hand stays its own', { retry: 2 }, async () => {
  const fleet = await startFleet();
  const families = Array.from({ length: 3_000 }, (_, i) => `big${i} 1\n`).join('');
  const pushes = Array.from({ length: 60 }, async (_, i) => {
    return fleet.ingest.push(`/metrics/job/j/group/${i % GROUPS}`, families, { method: 'POST' });
  });
  for (const answer of await Promise.all(pushes)) expect(answer.status).toBe(202);
  // Any claim is a delivery too many.
  const args = ['--worker.claim-idle=1s', '--worker.max-deliveries=1'];
  const [one] = await Promise.all([
    startGateway({ redis: fleet.redis, role: 'worker', args }),
    startGateway({ redis: fleet.redis, role: 'worker', args }),
  ]);
  const startedAt = performance.now();
  await eventually(async () => (await auditPushes(fleet.redis)).logged === 0, {
    timeoutMs: 60_000,
    what: 'an empty log',
  });
  console.log(`60 large pushes in one hand took ${Math.round(performance.now() - startedAt)} ms`);
  expect((await auditPushes(fleet.redis)).dead, one.process.log()).toBe(0);
});

test('stopped in an orderly way: it leaves nothing pending', async () => {
  const fleet = await startFleet();
  const worker = await startGateway({ redis: fleet.redis, role: 'worker', args: workerArgs });
  const pushing = pushValues(fleet, 1, 20);
  await eventually(async () => (await pending(fleet.redis)) > 0, { intervalMs: 1, what: 'a worker with a batch' });
  expect(await worker.stop()).toEqual({ code: 0, signal: null });
  expect(await pending(fleet.redis)).toBe(0);
  await pushing;
  await worker.restart();
  await expectSettled(fleet, 20);
});
