import { Redis } from 'ioredis';
import { afterAll, bench, describe } from 'vitest';
import { preparePush } from '../../services/ingest/prepare/prepare-push.ts';
import { makeGroup } from '../../shared/model/group.ts';
import { encodeLabels } from '../../shared/model/labels.ts';
import { GroupStore } from '../../shared/redis/groups/group-store.ts';
import { encodePush } from '../../shared/records/push-record.ts';
import { makeKeyspace } from '../support/redis/keyspace.ts';
import { startRedis } from '../support/redis/server.ts';
import { pushBody } from './load/workload.ts';

// merge.lua on a real Redis: PUTs of ten series in two families that renew existing groups. Measures a call, with its
// round trip; divided by the size of the batch, it is the cost of a push.

const GROUPS = 10_000;
const PUSHES = 16_384;
const BATCHES = [1, 64, 256];

const redis = await startRedis();
const client = new Redis({ host: '127.0.0.1', port: redis.port });
const keyspace = makeKeyspace('bench', 1);
const store = new GroupStore(keyspace, (_id, error) => {
  throw error;
});
const key = keyspace.shards[0]?.pushes ?? '';
let pushed = 0;

/** Appends pushes to the log, to one group after the other. */
async function append(count: number): Promise<void> {
  for (let done = 0; done < count;) {
    const pipeline = client.pipeline();
    for (const until = Math.min(count, done + 1_000); done < until; done++) {
      const n = pushed++;
      const labels = [
        ['instance', `host-${n % GROUPS}`],
        ['job', 'bench'],
      ] as const;
      const group = makeGroup('push', labels);
      const prepared = preparePush(Buffer.from(pushBody({ families: 2 }, n)), {
        format: 'text',
        group,
        maxSeries: 0,
        maxFamilies: 0,
      });
      const groups = prepared.map(({ groupId, families }) => {
        return { groupId, labels: encodeLabels(labels), families };
      });
      const arrivalMs = Date.now();
      const push = { id: `bench.${n}`, verb: 'PUT', kind: 'push', arrivalMs, ttlMs: 3_600_000, groups } as const;
      pipeline.xadd(key, '*', ...encodePush(push).fields);
    }
    await pipeline.exec();
  }
}

async function merge(pushes: number): Promise<number> {
  const merged = await store.merge(client, 0, { pushes, bytes: 1e9 });
  return merged.pushes.length;
}

/** Merges what is left. Afterwards every group exists. */
async function fill(): Promise<void> {
  await append(GROUPS);
  while ((await merge(1_000)) > 0);
}

afterAll(() => client.disconnect());

describe(`merge script, ${GROUPS} groups`, () => {
  for (const batch of BATCHES) {
    const iterations = PUSHES / batch;
    const setup = async (_task: unknown, mode: 'warmup' | 'run' | undefined): Promise<void> => {
      await fill();
      await append(mode === 'warmup' ? batch : PUSHES);
    };
    const exact = { time: 0, iterations, warmupTime: 0, warmupIterations: 1 };
    bench(
      `${batch} pushes in a call`,
      async () => {
        if ((await merge(batch)) !== batch) throw new Error('a batch was not whole');
      },
      { ...exact, setup },
    );
  }
});
