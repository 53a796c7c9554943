import { expect, test } from 'vitest';
import { GroupStore } from '../../../shared/redis/groups/group-store.ts';
import type { RedisClient } from '../../../shared/redis/connection/client.ts';
import { eventually } from '../../support/eventually.ts';
import { startGateway } from '../../support/servers/gateway.ts';
import { makeKeyspace } from '../../support/redis/keyspace.ts';
import { startRedis } from '../../support/redis/server.ts';

// An outcome that this version does not know, as after an upgrade of the workers, is never taken for "applied".

test('ingest answers a client that waits 202 at once, and logs the outcome once', async () => {
  const redis = await startRedis();
  const gateway = await startGateway({ redis, role: 'ingest' });
  for (const value of [1, 2]) {
    const sentAt = performance.now();
    const answer = gateway.push('/metrics/job/j', `m ${value}\n`, { headers: { prefer: 'wait=20' } });
    const pushId = async (): Promise<string | undefined> =>
      /^id\n(\S+)$/m.exec(await redis.cli('XREVRANGE', 'pgw:{0}:pushes', '+', '-', 'COUNT', '1'))?.[1];
    await eventually(async () => (await redis.cli('XLEN', 'pgw:{0}:pushes')) === String(value));
    await redis.cli('XADD', 'pgw:{0}:changes', '*', 'pushes', `${await pushId()}:q`, 'groups', '');
    expect((await answer).status).toBe(202);
    expect(performance.now() - sentAt).toBeLessThan(15_000);
  }
  await eventually(() =>
    expect(gateway.process.log().match(/level=warn.*unknown outcome.*outcome=q/g)).toHaveLength(1),
  );
});

test('a worker that cannot read the reply of merge.lua reports it', async () => {
  const client = { call: async () => Promise.resolve([0, [], 'q1700000000000']) } as unknown as RedisClient;
  const store = new GroupStore(makeKeyspace('pgw', 1), () => undefined);
  await expect(store.merge(client, 0, { pushes: 1, bytes: 1 })).rejects.toThrow('unknown outcome in "q1700000000000"');
});
