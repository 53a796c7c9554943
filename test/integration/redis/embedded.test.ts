import { appendFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { startGateway } from '../../support/servers/gateway.ts';
import { sampleValue } from '../../support/metrics-text.ts';
import { freePort } from '../../support/process/ports.ts';
import { redisCli } from '../../support/redis/cli.ts';

// The embedded Redis keeps acknowledged pushes when the machine fails. Repeated `kill -9`:
// test/faults/kill-tree.test.ts.

test('the append-only file is synced before each answer, also while it is rewritten', async () => {
  const gateway = await startGateway();
  const socket = join(gateway.dataFolder, 'redis.sock');
  for (const [name, value] of [
    ['appendonly', 'yes'],
    ['appendfsync', 'always'],
    ['no-appendfsync-on-rewrite', 'no'],
    ['maxmemory-policy', 'noeviction'],
  ] as const) {
    expect((await redisCli(socket, ['CONFIG', 'GET', name])).split('\n')).toEqual([name, value]);
  }
  // Checks the effect: nothing waits to be written or synced once a push is acknowledged.
  expect((await gateway.push('/metrics/job/j', 'm 1\n')).status).toBe(202);
  const persistence = await redisCli(socket, ['INFO', 'persistence']);
  for (const field of ['aof_buffer_length', 'aof_pending_bio_fsync']) {
    expect(persistence).toMatch(new RegExp(`^${field}:0\\r?$`, 'm'));
  }
});

test('after a power cut in the middle of a write, pushes acknowledged before it are there', async () => {
  const gateway = await startGateway({ port: await freePort() });
  for (let i = 0; i < 20; i++) {
    expect((await gateway.push(`/metrics/job/cut/n/${i}`, `cut ${i}\n`)).status).toBe(202);
  }
  await gateway.killTree();
  const folder = join(gateway.dataFolder, 'appendonlydir');
  const file = readdirSync(folder).find((name) => name.endsWith('.incr.aof')) ?? '';
  appendFileSync(join(folder, file), '*5\r\n$4\r\nXADD\r\n$14\r\npgw:{0}:pus');
  await gateway.restart();
  // The last pushes may not be merged yet.
  await eventually(async () => {
    const text = await gateway.scrape();
    for (let i = 0; i < 20; i++) expect(sampleValue(text, 'cut', { n: String(i) })).toBe(i);
  });
  expect((await gateway.push('/metrics/job/next', 'next 1\n')).status).toBe(202);
});
