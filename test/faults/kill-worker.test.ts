import { expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { startGateway, type Gateway, type GatewayOptions } from '../support/servers/gateway.ts';
import { sampleSum, sampleValue } from '../support/metrics-text.ts';
import { freePort } from '../support/process/ports.ts';
import { auditPushes, countOutcomes } from '../support/redis/push-audit.ts';
import { startRedis, type RedisServer } from '../support/redis/server.ts';
import { keepAlive } from '../support/http/request.ts';

// A worker dies or freezes during its work: it delays nothing, and each push takes effect once.

const GROUPS = 25;
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

/** A worker that merges few pushes per batch, so that a backlog takes many batches. */
async function startWorker({ redis }: Fleet, options: GatewayOptions = {}): Promise<Gateway> {
  return startGateway({ redis, role: 'worker', args: ['--worker.batch-size=2'], ...options });
}

/**
 * Pushes the next `count` values of each group in order, all groups at the same time, to keep a worker busy for a
 * moment.
 */
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

const logged = async ({ redis }: Fleet): Promise<number> => (await auditPushes(redis)).logged;

/** Checks that all groups show the value, the log is empty, and every push has exactly one outcome. */
async function expectSettled(fleet: Fleet, value: number): Promise<void> {
  await eventually(async () => (await logged(fleet)) === 0, { timeoutMs: 20_000, what: 'an empty log' });
  const audit = await auditPushes(fleet.redis);
  const { a = 0, s = 0, ...others } = countOutcomes(audit);
  expect(others).toEqual({});
  expect(a + s).toBe(fleet.appended);
  expect(audit.dead).toBe(0);
  await eventually(async () => {
    const text = await fleet.reader.scrape();
    for (let group = 0; group < GROUPS; group++)
      expect(sampleValue(text, 'step', { group: String(group) })).toBe(value);
  });
}

/** Waits until a worker has merged a small part of a backlog. */
async function untilInTheMiddle(fleet: Fleet): Promise<void> {
  const isBegun = async (): Promise<boolean> => (await logged(fleet)) < fleet.appended;
  await eventually(isBegun, { timeoutMs: 20_000, intervalMs: 1, what: 'a worker that has begun' });
}

test('killed in the middle of a large backlog: another worker continues, every push is applied once', async () => {
  const fleet = await startFleet();
  await pushValues(fleet, 1, 100);
  const first = await startWorker(fleet, { waitUntilReady: false });
  await untilInTheMiddle(fleet);
  await first.kill();
  const left = await logged(fleet);
  expect(left).toBeGreaterThan(0);

  const second = await startGateway({ redis: fleet.redis, role: 'worker' });
  const startedAt = performance.now();
  await expectSettled(fleet, 100);
  console.log(
    `${left} of ${fleet.appended} left when killed; settled ${Math.round(performance.now() - startedAt)} ms later`,
  );
  expect(sampleSum(await second.telemetry(), 'pushgateway_pushes_settled_total')).toBe(left);
});

test('killed repeatedly during pushes: every push is applied once', async () => {
  const fleet = await startFleet();
  const [one, two] = [
    await startWorker(fleet, { port: await freePort() }),
    await startWorker(fleet, { port: await freePort() }),
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

test('frozen: the other worker continues at once, and the frozen one does no harm when it resumes', async () => {
  const fleet = await startFleet();
  await pushValues(fleet, 1, 100);
  const frozen = await startWorker(fleet, { waitUntilReady: false });
  await untilInTheMiddle(fleet);
  frozen.process.signal('SIGSTOP');
  expect(await logged(fleet)).toBeGreaterThan(0);

  await startWorker(fleet);
  await pushValues(fleet, 101, 1);
  await expectSettled(fleet, 101);
  const pushing = pushValues(fleet, 102, 10);
  frozen.process.signal('SIGCONT');
  // It answers again, so it has resumed its work.
  await frozen.waitUntilReady();
  await pushing;
  await expectSettled(fleet, 111);
});

test('stopped with SIGTERM: it completes the current batch, and leaves the rest in the log', async () => {
  const fleet = await startFleet();
  await pushValues(fleet, 1, 100);
  const worker = await startWorker(fleet, { port: await freePort(), waitUntilReady: false });
  await untilInTheMiddle(fleet);
  expect(await worker.stop()).toEqual({ code: 0, signal: null });
  const { logged: left, outcomes } = await auditPushes(fleet.redis);
  expect(left).toBeGreaterThan(0);
  expect(outcomes.size + left).toBe(fleet.appended);
  await worker.restart();
  await expectSettled(fleet, 100);
});
