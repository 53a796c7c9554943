import type { Attack } from '../../attack.ts';
import { type Client, closed, neverRead, pause, swarm } from '../../client/swarm.ts';

const PATHS = ['/metrics', '/api/v1/metrics', '/api/v1/groups?families=true&limit=1000', '/', '/telemetry'];
/** Groups whose content changes, so that every answer is another one. */
const WRITERS = 3;
const SERIES = 20_000;

async function change(client: Client, round: number): Promise<void> {
  const path = `/metrics/job/slow/n/${client.index}`;
  const body = Array.from(
    { length: SERIES },
    (_, i) => `slow_${client.index}{l="some longer value ${i}"} ${round}.${i}\n`,
  );
  await client.call({ method: 'PUT', path, body: body.join('') });
  await pause(client, 500);
}

export const slowReaders: Attack = {
  what: 'scrapes, JSON answers and pages over changing content that are not read, or one packet a second',
  against: 'plain',
  clients: 90,
  start: async (target, signal) => {
    let round = 0;
    return swarm(target, signal, async (client) => {
      if (client.index < WRITERS) return change(client, round++);
      await pause(client, (client.index % 20) * 100);
      const socket = await client.connect();
      neverRead(socket);
      const path = PATHS[client.index % PATHS.length] ?? '';
      const encoding = client.index % 2 === 0 ? 'Accept-Encoding: gzip\r\n' : '';
      socket.write(`GET ${path} HTTP/1.1\r\nHost: gateway\r\n${encoding}\r\n`);
      if (client.index % 3 === 0) return closed(socket);
      while (!socket.closed && !signal.aborted) {
        await pause(client, 1_000);
        client.tally.add('bytes read', (socket.read(1_000) as Buffer | null)?.length ?? 0);
      }
    });
  },
};
