import { expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { startGateway } from '../support/servers/gateway.ts';
import { sampleValue } from '../support/metrics-text.ts';
import { applied } from '../support/http/request.ts';
import { startBackend } from './harness/backend.ts';
import { startLink } from './harness/link.ts';

// A connection that has just been restored breaks again during its subscription.

test('a subscription that breaks while it is being restored is restored later, and no process ends', async () => {
  const backend = await startBackend('single');
  const link = await startLink(backend);
  const gateway = await startGateway({ redis: link });
  for (let round = 1; round <= 3; round++) {
    const lost = link.loseReply('subscribe', 2);
    link.break();
    await lost;
  }
  await eventually(async () =>
    expect(await backend.nodes[0]?.cli('PUBSUB', 'NUMSUB', '__keyspace@0__:pgw:{0}:changes')).toMatch(/1$/),
  );
  expect((await gateway.push('/metrics/job/j', 'a 1\n', applied)).status).toBe(200);
  expect(sampleValue(await gateway.scrape(), 'a')).toBe(1);
  expect(gateway.process.exit).toBeUndefined();
});
