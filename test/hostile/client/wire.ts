/** Writes protobuf messages: https://protobuf.dev/programming-guides/encoding/ */
const VARINT = 0;
const BYTES = 2;

export function varint(value: number): Buffer {
  const bytes: number[] = [];
  let left = value;
  for (; left >= 0x80; left = Math.floor(left / 0x80)) bytes.push((left % 0x80) | 0x80);
  return Buffer.from([...bytes, left]);
}

export function field(number: number, content: Uint8Array | string | number): Buffer {
  if (typeof content === 'number') return Buffer.concat([varint(number * 8 + VARINT), varint(content)]);
  const bytes = Buffer.from(content);
  return Buffer.concat([varint(number * 8 + BYTES), varint(bytes.length), bytes]);
}

/** Preceded by its length, as the messages of a body are. */
export function delimited(...fields: Uint8Array[]): Buffer {
  const message = Buffer.concat(fields);
  return Buffer.concat([varint(message.length), message]);
}

/** The bytes, again and again, up to this length. */
export function repeated(bytes: Uint8Array | string, length: number): Buffer {
  const unit = Buffer.from(bytes);
  return Buffer.alloc(Math.floor(length / unit.length) * unit.length, unit);
}

export const PROTOBUF = 'application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited';
