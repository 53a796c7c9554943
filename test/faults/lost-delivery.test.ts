import { expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { startGateway } from '../support/gateway.ts';
import { readBooks, startBackend } from './harness/backend.ts';
import { startLink } from './harness/link.ts';

// Redis has given pushes to a worker, and the connection breaks before they arrive: nobody has them in hand.

test(
  'a delivery that was lost on the way is taken back at once, not after the claim time',
  { timeout: 60_000 },
  async () => {
    const backend = await startBackend('single');
    const link = await startLink(backend);
    const ingest = await startGateway({ redis: backend, role: 'ingest' });
    await startGateway({ redis: link, role: 'worker', args: ['--worker.claim-idle=10m'] });
    for (let round = 0; round < 5; round++) {
      const lost = link.loseReply('xreadgroup', 1);
      while (!(await Promise.race([lost.then(() => true), push()])));
      await eventually(async () => expect(await readBooks(backend)).toMatchObject({ logged: 0, pending: 0 }), {
        timeoutMs: 6_000,
        what: `an empty log after round ${round}`,
      });
    }

    async function push(): Promise<false> {
      expect((await ingest.push('/metrics/job/j', 'a 1\n')).status).toBe(202);
      return false;
    }
  },
);
