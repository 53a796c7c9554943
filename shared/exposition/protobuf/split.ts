/** Divides a family that encodeFamily wrote between its metrics. */
import type { Family } from '../../model/metric-family.ts';
import { decodeProtobuf } from './decode.ts';
import { encodeFamilyHeader, encodeLength } from './encode.ts';
import { BYTES, WireReader } from './reader.ts';

/** Yields the family in pieces of at least `minBytes`, without its help and unit; the last piece is what is left. */
export function* splitFamily(
  { name, type }: Pick<Family, 'name' | 'type'>,
  message: Buffer,
  minBytes: number,
): Generator<Family> {
  const header = encodeFamilyHeader(name, '', type);
  const reader = new WireReader(message);
  reader.enter();
  let start = 0;
  while (reader.next()) {
    reader.skip();
    const end = reader.position;
    // What is not a metric comes before them.
    if (reader.tag !== 4 * 8 + BYTES) start = end;
    if (end - start < minBytes && !(reader.atEnd && start < end)) continue;
    const metrics = message.subarray(start, end);
    const piece = Buffer.concat([encodeLength(header.length + metrics.length), header, metrics]);
    const family = decodeProtobuf(piece, { utf8Names: true }).get(name);
    if (family !== undefined) yield family;
    start = end;
  }
}
