import { expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { startGateway } from '../support/servers/gateway.ts';
import { sampleValue, samples } from '../support/metrics-text.ts';
import { processTree } from '../support/process/process-tags.ts';
import { freePort } from '../support/process/ports.ts';
import { kill } from '../support/process/process.ts';
import { keepAlive, type Answer } from '../support/http/request.ts';

// `kill -9` of the gateway and its embedded Redis right after a 202: acknowledged pushes are there after the restart.

const ROUNDS = 10;
const PUSHES = 20;

test(`${ROUNDS} times: every acknowledged push is there after the restart`, async () => {
  const gateway = await startGateway({ port: await freePort(), args: ['--redis.expiration=0'] });
  const acknowledged = new Map<string, number>();
  for (let round = 0; round < ROUNDS; round++) {
    const tree = processTree(gateway.pid);
    expect(tree.length).toBeGreaterThan(1); // the embedded Redis
    const agent = keepAlive(PUSHES);
    let answered = 0;
    const pushes = Array.from({ length: PUSHES }, async (_, i) => {
      const [n, value] = [`${round}-${i}`, round * PUSHES + i];
      const answer: Answer | undefined = await gateway
        .push(`/metrics/job/kill/n/${n}`, `killed ${value}\n`, { agent })
        .catch(() => undefined);
      if (answer?.status !== 202) return;
      acknowledged.set(n, value);
      // Later in each round: before, during and after the merge of the others.
      if (++answered === 1 + round) for (const pid of tree) kill(pid);
    });
    await Promise.all(pushes);
    agent.destroy();
    await gateway.process.waitForExit();
    await gateway.restart();

    await eventually(
      async () => {
        const text = await gateway.scrape();
        for (const [n, value] of acknowledged) expect(sampleValue(text, 'killed', { n }), n).toBe(value);
      },
      { what: `the ${acknowledged.size} pushes acknowledged until round ${round}` },
    );
  }
  console.log(`${acknowledged.size} of ${ROUNDS * PUSHES} pushes were acknowledged, none lost`);
  expect(acknowledged.size).toBeGreaterThanOrEqual((ROUNDS * (ROUNDS + 1)) / 2);

  // Unacknowledged pushes may be there too, but only complete.
  for (const { name, labels, value } of samples(await gateway.scrape())) {
    if (name !== 'killed') continue;
    const [round = NaN, i = NaN] = (labels['n'] ?? '').split('-').map(Number);
    expect(value).toBe(round * PUSHES + i);
  }
});
