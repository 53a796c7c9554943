import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { startGateway, type Gateway } from '../../support/servers/gateway.ts';
import { stopwatch } from '../../support/process/machine-load.ts';
import { sampleValue, select } from '../../support/metrics-text.ts';
import { startCluster, type ClusterTopology } from '../../support/redis/cluster.ts';
import { keepAlive, request, type Answer } from '../../support/http/request.ts';
import { hold } from '../../support/process/resources.ts';
import { Watch } from '../../support/watch.ts';

// The slot of a shard moves to another master during pushes: nothing is refused, nothing is lost, nothing is missing
// from any scrape, and later changes are visible as fast as before.

/** With one shard, every group is in the slot that moves. */
const args = ['--redis.shards=1'];
const KEY = 'pgw:{0}:pushes';
const GROUPS = 40;

/** Pushes increasing values to one group after the other, with at most one push in flight. */
class Pushing {
  readonly answers: Answer[] = [];
  /** The last acknowledged value, by group. */
  readonly acknowledged = new Map<number, number>();
  #stopped = false;
  readonly #running: Promise<void>;
  readonly #release: () => void;

  constructor(gateway: Gateway) {
    this.#running = this.#run(gateway);
    this.#release = hold('pushing', async () => this.stop());
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
    this.#release();
  }

  async #run(gateway: Gateway): Promise<void> {
    const agent = keepAlive(1);
    for (let value = 1; !this.#stopped; value++) {
      const group = value % GROUPS;
      const answer = await gateway.push(`/metrics/job/j/n/${group}`, `moving ${value}\n`, { agent, timeoutMs: 40_000 });
      this.answers.push(answer);
      if (answer.status === 202) this.acknowledged.set(group, value);
      await sleep(5);
    }
    agent.destroy();
  }
}

async function expectShown(reader: Gateway, pushing: Pushing): Promise<void> {
  await eventually(
    async () => {
      const text = await reader.scrape();
      for (const [n, value] of pushing.acknowledged) expect(sampleValue(text, 'moving', { n: String(n) })).toBe(value);
    },
    { timeoutMs: 10_000, what: 'all that was acknowledged' },
  );
}

/** A master that does not have the shard. */
async function otherMaster(cluster: ClusterTopology) {
  const from = await cluster.masterOf(KEY);
  const other = (await cluster.masters()).find((node) => node !== from);
  if (other === undefined) throw new Error('no other master');
  return other;
}

async function medianLatency(ingest: Gateway, reader: Gateway): Promise<number> {
  const measured: number[] = [];
  for (let i = 0; i < 9; i++) {
    const took = stopwatch();
    await ingest.push('/metrics/job/timed', `timed ${i}\n`);
    await eventually(async () => sampleValue((await request(reader.url, '/metrics')).text, 'timed') === i, {
      intervalMs: 1,
    });
    measured.push(took());
  }
  return measured.toSorted((a, b) => a - b)[4] ?? NaN;
}

describe.for([
  ['memory', []],
  ['replica', ['--redis.wait-replicas=1']],
] as const)('durability %s', ([, durability]) => {
  test('a slot moves under load', async () => {
    const cluster = await startCluster();
    const gateway = await startGateway({ redis: cluster, args: [...args, ...durability] });
    const reader = await startGateway({ redis: cluster, args, role: 'reader' });
    const pushing = new Pushing(gateway);
    await eventually(() => pushing.acknowledged.size === GROUPS);
    await eventually(async () => select(await reader.scrape(), 'moving').length === GROUPS);
    const watches = [new Watch(gateway.url), new Watch(reader.url)];

    const to = await otherMaster(cluster);
    const migration = await cluster.migrate(KEY, to);
    const keys = await migration.keys();
    await migration.move(keys.slice(0, keys.length / 2));

    // The migration pauses half way.
    const before = pushing.acknowledged.get(0) ?? 0;
    await eventually(() => (pushing.acknowledged.get(0) ?? 0) > before, {
      timeoutMs: 20_000,
      what: 'pushes to be taken',
    });
    const late = await startGateway({ redis: cluster, args, role: 'reader' });
    expect(select(await late.scrape(), 'moving')).toHaveLength(GROUPS);
    // A reader is ready when it has the groups, possibly before it has read the log for the first time.
    await eventually(async () => sampleValue(await late.telemetry(), 'pushgateway_redis_up') === 1);
    for (const one of [gateway, reader, late]) {
      expect(await one.request('/-/ready')).toMatchObject({ status: 200 });
      expect(sampleValue(await one.telemetry(), 'pushgateway_redis_up')).toBe(1);
    }
    await migration.finish();

    const after = pushing.answers.length;
    await eventually(() => pushing.answers.length > after + GROUPS, { timeoutMs: 20_000 });
    await pushing.stop();
    expect(new Set(pushing.answers.map(({ status }) => status))).toEqual(new Set([202]));
    for (const one of [gateway, reader, late]) await expectShown(one, pushing);
    for (const watch of watches) {
      await watch.stop();
      expect(watch.failures).toEqual([]);
      for (let n = 0; n < GROUPS; n++) {
        expect(watch.of(`moving{instance="",job="j",n="${n}"}`)).toMatchObject({
          missingAt: undefined,
          returns: 0,
          steppedBack: 0,
        });
      }
    }
    expect(await cluster.masterOf(KEY)).toBe(to);
    for (const one of [gateway, reader, late]) expect(await medianLatency(gateway, one)).toBeLessThan(100);
    await eventually(async () => sampleValue(await gateway.telemetry(), 'pushgateway_stream_length') === 0);
  });
});
