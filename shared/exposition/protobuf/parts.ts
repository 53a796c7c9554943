/**
 * Reads the messages that are part of several others (see codec.ts).
 */
import type { Exemplar, LabelPair, Timestamp } from '../../model/metric-family.ts';
import { BYTES, FIXED64, VARINT, type WireReader } from './reader.ts';

export interface ExemplarDraft extends Exemplar {
  labels: LabelPair[];
}

/** If the label equals `expected`, that is returned instead of a new one. */
export function readLabel(reader: WireReader, expected?: LabelPair): LabelPair {
  let name = '';
  let value = '';
  const outerEnd = reader.enter();
  while (reader.next()) {
    if (reader.tag === 1 * 8 + BYTES) name = reader.string(expected?.[0]);
    else if (reader.tag === 2 * 8 + BYTES) value = reader.string(expected?.[1]);
    else reader.skip();
  }
  reader.leave(outerEnd);
  return expected !== undefined && name === expected[0] && value === expected[1] ? expected : [name, value];
}

export function readExemplar(reader: WireReader, into: ExemplarDraft): void {
  const outerEnd = reader.enter();
  while (reader.next()) {
    if (reader.tag === 1 * 8 + BYTES) into.labels.push(readLabel(reader));
    else if (reader.tag === 2 * 8 + FIXED64) into.value = reader.double();
    else if (reader.tag === 3 * 8 + BYTES) readTimestamp(reader, (into.timestamp ??= { seconds: 0, nanos: 0 }));
    else reader.skip();
  }
  reader.leave(outerEnd);
}

export function readTimestamp(reader: WireReader, into: Timestamp): void {
  const outerEnd = reader.enter();
  while (reader.next()) {
    if (reader.tag === 1 * 8 + VARINT) into.seconds = reader.int64();
    else if (reader.tag === 2 * 8 + VARINT) into.nanos = reader.int32();
    else reader.skip();
  }
  reader.leave(outerEnd);
}
