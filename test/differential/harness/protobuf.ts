/**
 * A minimal protobuf codec for pushes and scrapes. It does not use the project's codec, because a test must not share
 * the mistakes of what it tests.
 * https://github.com/prometheus/client_model/blob/master/io/prometheus/client/metrics.proto
 */
type Kind = 'uint' | 'sint' | 'double' | 'text' | 'packed-sint' | 'packed-double' | Schema;
interface Schema {
  readonly [field: string]: readonly [number: number, kind: Kind];
}
export interface Message {
  readonly [field: string]: Value | readonly Value[];
}
type Value = number | string | Uint8Array | Message;

const label: Schema = { name: [1, 'text'], value: [2, 'text'] };
const timestamp: Schema = { seconds: [1, 'uint'], nanos: [2, 'uint'] };
const exemplar: Schema = { label: [1, label], value: [2, 'double'], timestamp: [3, timestamp] };
const span: Schema = { offset: [1, 'sint'], length: [2, 'uint'] };
const histogram: Schema = {
  count: [1, 'uint'],
  sum: [2, 'double'],
  bucket: [3, { count: [1, 'uint'], bound: [2, 'double'], exemplar: [3, exemplar], countFloat: [4, 'double'] }],
  countFloat: [4, 'double'],
  schema: [5, 'sint'],
  zeroThreshold: [6, 'double'],
  zeroCount: [7, 'uint'],
  zeroCountFloat: [8, 'double'],
  negativeSpan: [9, span],
  negativeDelta: [10, 'packed-sint'],
  negativeCount: [11, 'packed-double'],
  positiveSpan: [12, span],
  positiveDelta: [13, 'packed-sint'],
  positiveCount: [14, 'packed-double'],
  created: [15, timestamp],
  exemplar: [16, exemplar],
};
const metric: Schema = {
  label: [1, label],
  gauge: [2, { value: [1, 'double'] }],
  counter: [3, { value: [1, 'double'], exemplar: [2, exemplar], created: [3, timestamp] }],
  summary: [
    4,
    {
      count: [1, 'uint'],
      sum: [2, 'double'],
      quantile: [3, { quantile: [1, 'double'], value: [2, 'double'] }],
      created: [4, timestamp],
    },
  ],
  untyped: [5, { value: [1, 'double'] }],
  timestampMs: [6, 'uint'],
  histogram: [7, histogram],
};
const family: Schema = {
  name: [1, 'text'],
  help: [2, 'text'],
  type: [3, 'uint'],
  metric: [4, metric],
  unit: [5, 'text'],
};

export const TYPES = { counter: 0, gauge: 1, summary: 2, untyped: 3, histogram: 4, gaugeHistogram: 5 } as const;

/** Families as a delimited body. A Uint8Array stands for the bytes of a text. */
export function encodeFamilies(...families: readonly Message[]): Buffer {
  return Buffer.concat(families.map((one) => delimited(encode(one, family))));
}

function encode(message: Message, schema: Schema): Buffer {
  const parts = Object.entries(message).flatMap(([name, value]) => {
    const [number, kind] = schema[name] ?? unknownField(name);
    const isPacked = kind === 'packed-sint' || kind === 'packed-double';
    const values = (Array.isArray(value) ? value : [value]) as readonly Value[];
    return isPacked ? [encodePacked(number, kind, values)] : values.map((one) => encodeField(number, kind, one));
  });
  return Buffer.concat(parts);
}

function unknownField(name: string): never {
  throw new Error(`no field ${name}`);
}

function encodePacked(number: number, kind: Kind, values: readonly Value[]): Buffer {
  const items = values.map((value) => (kind === 'packed-sint' ? varint(zigzag(Number(value))) : double(Number(value))));
  return Buffer.concat([varint(number * 8 + 2), delimited(Buffer.concat(items))]);
}

function encodeField(number: number, kind: Kind, value: Value): Buffer {
  if (kind === 'double') return Buffer.concat([varint(number * 8 + 1), double(Number(value))]);
  if (kind === 'uint') return Buffer.concat([varint(number * 8), varint(Number(value))]);
  if (kind === 'sint') return Buffer.concat([varint(number * 8), varint(zigzag(Number(value)))]);
  const bytes = kind === 'text' ? Buffer.from(value as string) : encode(value as Message, kind as Schema);
  return Buffer.concat([varint(number * 8 + 2), delimited(bytes)]);
}

function delimited(bytes: Buffer): Buffer {
  return Buffer.concat([varint(bytes.length), bytes]);
}

function double(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return bytes;
}

/** Negative numbers are encoded as int64, in ten bytes. */
export function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  do {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    bytes.push(rest === 0n ? low : low | 0x80);
  } while (rest !== 0n);
  return Buffer.from(bytes);
}

function zigzag(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value;
}

/** Families of a delimited body; unknown fields are under their field number. */
export function decodeFamilies(body: Buffer): Message[] {
  const reader = new Reader(body);
  const families: Message[] = [];
  while (!reader.isAtEnd) families.push(decode(reader.bytes(), family));
  return families;
}

class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  varint(): bigint {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.#bytes.readUInt8(this.#at++);
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  }

  double(): number {
    this.#at += 8;
    return this.#bytes.readDoubleLE(this.#at - 8);
  }

  bytes(): Buffer {
    const length = Number(this.varint());
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
}

const unzigzag = (value: bigint): number => Number((value >> 1n) ^ -(value & 1n));

function decode(bytes: Buffer, schema: Schema): Message {
  const reader = new Reader(bytes);
  const message: Record<string, Value[]> = {};
  while (!reader.isAtEnd) {
    const key = Number(reader.varint());
    const number = key >> 3;
    const wire = key & 7;
    const [name, [, kind]] = Object.entries(schema).find(([, [own]]) => own === number) ?? [
      String(number),
      [number, wire === 1 ? 'double' : wire === 0 ? 'uint' : 'text'] as const,
    ];
    const values = (message[name] ??= []);
    if (wire === 1) values.push(shown(reader.double()));
    else if (wire === 0) values.push(kind === 'sint' ? unzigzag(reader.varint()) : String(reader.varint()));
    else values.push(...decodeBytes(reader.bytes(), kind));
  }
  return message;
}

function decodeBytes(bytes: Buffer, kind: Kind): Value[] {
  if (kind === 'text') return [bytes.toString('utf8')];
  if (typeof kind !== 'string') return [decode(bytes, kind)];
  const reader = new Reader(bytes);
  const values: Value[] = [];
  while (!reader.isAtEnd) values.push(kind === 'packed-double' ? shown(reader.double()) : unzigzag(reader.varint()));
  return values;
}

/** JSON has no NaN, infinities or negative zero. */
function shown(value: number): Value {
  return Number.isFinite(value) && !Object.is(value, -0) ? value : `${value === 0 ? '-' : ''}${value}`;
}
