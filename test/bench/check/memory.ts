/**
 * Memory of Redis and of a reader per byte of the exposition, with 20,000 groups. It does not depend on the machine.
 */
import { eventually } from '../../support/eventually.ts';
import { startRedis } from '../../support/redis/server.ts';
import { request } from '../../support/http/request.ts';
import { fill } from '../load/fill.ts';
import { groupsShown, residentMb, startOn, whenDrained } from '../subjects.ts';
import { Rounds, type CheckSection } from './section.ts';

const SHAPE = { families: 2 };
const GROUPS = 20_000;

export const memoryCheck: CheckSection = async (rounds) => {
  const redis = await startRedis({ args: ['--appendfsync', 'everysec'] });
  const emptyBytes = Number(await redis.info('used_memory'));
  const [source, worker] = [await startOn(redis, 'ingest'), await startOn(redis, 'worker')];
  await fill({ url: source.url, to: GROUPS, shape: SHAPE });
  await whenDrained(redis, 120_000);
  await source.stop();
  await worker.stop();
  // The memory of the changes is not part of a group, and is freed with time.
  await redis.cli('XTRIM', 'pgw:{0}:changes', 'MAXLEN', '1');
  const found = new Rounds();
  for (let round = 0; round < Math.min(3, rounds); round++) {
    const reader = await startOn(redis, 'reader', 'everysec', { waitUntilReady: false });
    await reader.waitUntilReady(60_000);
    await eventually(async () => (await groupsShown(reader)) >= GROUPS, { timeoutMs: 60_000, what: 'all groups' });
    const { body } = await request(reader.url, '/metrics', { timeoutMs: 60_000 });
    await request(reader.url, '/metrics', { timeoutMs: 60_000, headers: { 'accept-encoding': 'gzip' } });
    found.add('exposition', body.length);
    found.add('Redis', Number(await redis.info('used_memory')) - emptyBytes);
    found.add('reader', residentMb(reader.pid) * 1e6);
    await reader.stop();
  }
  const of = 'memory for each byte of the exposition, 20,000 groups';
  return [
    found.ratio('memory.Redis', `${of}: Redis`, 'Redis', 'exposition'),
    found.ratio('memory.reader', `${of}: reader, resident`, 'reader', 'exposition'),
  ];
};
