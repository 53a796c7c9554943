import { Redis } from 'ioredis';
import { beforeAll, expect, test } from 'vitest';
import { makeGroup, shardOf, type Group } from '../../../shared/model/group.ts';
import { encodeLabels } from '../../../shared/model/labels.ts';
import { GroupFollower } from '../../../shared/redis/groups/group-follower.ts';
import { GroupStore } from '../../../shared/redis/groups/group-store.ts';
import { Snapshot } from '../../../services/reader/snapshot/snapshot.ts';
import { makeKeyspace } from '../../support/redis/keyspace.ts';
import { startRedis, type RedisServer } from '../../support/redis/server.ts';
import { hold } from '../../support/process/resources.ts';

const SHARDS = 3;
const GROUPS = Array.from({ length: 2_000 }, (_, i) => makeGroup('push', [['job', `j${i}`]]));

let server: RedisServer;
let redis: Redis;
let store: GroupStore;
const keyspace = makeKeyspace('follower', SHARDS);

beforeAll(async () => {
  server = await startRedis({ args: ['--appendonly', 'no'] });
  redis = new Redis({ port: server.port, protocol: 2, replyMapping: 'legacy' });
  hold('redis client', async () => await Promise.resolve(redis.disconnect()));
  store = new GroupStore(keyspace, (group, error) => expect.fail(`${group}: ${error.message}`));
  const write = redis.pipeline();
  for (const { id, kind, labels } of GROUPS) {
    const keys = keyspace.shards[shardOf(id, SHARDS)];
    const fields = { labels: `${kind} ${encodeLabels(labels)}`, meta: '01700000000000-0000000001 1000 0 0 0' };
    write.hset(keys?.group(id) ?? '', fields).zadd(keys?.groups ?? '', 'inf', id);
  }
  await write.exec();
});

test('the text is made ready once all shards are loaded, before anybody may ask for it', async () => {
  const follower = new GroupFollower(store, keyspace);
  const snapshot = new Snapshot();
  const loaded: number[] = [];
  follower.add(snapshot, { onLoaded: () => loaded.push(snapshot.stats.groups), onChanged: () => undefined });
  const toldToApply: number[] = [];
  follower.add({
    ids: () => [],
    set: () => undefined,
    update: () => true,
    applyPending: () => {
      toldToApply.push(snapshot.stats.groups);
      // Two steps more, twice.
      return Math.max(0, 3 - toldToApply.length);
    },
  });
  for (let shard = 0; shard < SHARDS; shard++) await follower.reset(redis, shard);
  expect(toldToApply, 'with the last shard, until nothing is left').toEqual([2_000, 2_000, 2_000]);
  expect(loaded.at(-1)).toBe(2_000);
  expect(
    snapshot.text.applyPending(() => true),
    'left for the first reader',
  ).toBe(0);
  expect(Buffer.concat(snapshot.text.chunks().buffers).toString()).toBe(expected(GROUPS));
  await follower.reset(redis, 0);
  expect(toldToApply, 'once').toHaveLength(3);
});

/** They have no families but their push times. */
function expected(groups: readonly Group[]): string {
  const jobs = groups.map(({ labels }) => labels[0]?.[1] ?? '').toSorted((a, b) => (`${a}"` < `${b}"` ? -1 : 1));
  const family = (name: string, result: string, value: string): string => {
    const help = `# HELP ${name} Last Unix time when changing this group in the Pushgateway ${result}.\n`;
    const samples = jobs.map((job) => `${name}{instance="",job="${job}"} ${value}\n`);
    return `${help}# TYPE ${name} gauge\n${samples.join('')}`;
  };
  return family('push_failure_time_seconds', 'failed', '0') + family('push_time_seconds', 'succeeded', '1');
}
