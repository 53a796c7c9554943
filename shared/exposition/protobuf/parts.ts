/**
 * Reads the messages that are part of several others (see codec.ts).
 */
import type { Exemplar, LabelPair, Timestamp } from '../../model/metric-family.ts';
import type { PushLimits } from '../push-limits.ts';
import { BYTES, FIXED64, VARINT, WireReader } from './reader.ts';

/** Reads a push, within limits. */
export class PushReader extends WireReader {
  readonly limits: PushLimits;

  constructor(bytes: Uint8Array, limits: PushLimits) {
    super(bytes);
    this.limits = limits;
  }
}

export interface ExemplarDraft extends Exemplar {
  labels: LabelPair[];
}

/** `before`: labels read already. If the label equals `expected`, that is returned instead of a new one. */
export function readLabel(reader: PushReader, before: number, expected?: LabelPair): LabelPair {
  reader.limits.addLabel(before);
  let name = '';
  let value = '';
  const outerEnd = reader.enter();
  while (reader.next()) {
    if (reader.tag === 1 * 8 + BYTES) name = reader.string(expected?.[0]);
    else if (reader.tag === 2 * 8 + BYTES) value = reader.string(expected?.[1]);
    else reader.skip();
  }
  reader.leave(outerEnd);
  if (expected !== undefined && name === expected[0] && value === expected[1]) return expected;
  reader.limits.checkString(name, 'label name');
  reader.limits.checkString(value, 'label value');
  return [name, value];
}

export function readExemplar(reader: PushReader, into: ExemplarDraft): void {
  const outerEnd = reader.enter();
  while (reader.next()) {
    if (reader.tag === 1 * 8 + BYTES) into.labels.push(readLabel(reader, into.labels.length));
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
