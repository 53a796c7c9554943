/**
 * Generates random protobuf bodies, mostly as clients write them, sometimes with what a decoder must tolerate: fields
 * in any order, repeated, unknown, of another wire type, truncated. Independent of the encoder that it helps to test.
 */
type Random = () => number;

/** By field number: a scalar type, a message, or with `*` a list. */
const MESSAGES: Readonly<Record<string, Readonly<Record<number, string>>>> = {
  LabelPair: { 1: 'labelName', 2: 'text' },
  Simple: { 1: 'double' },
  Counter: { 1: 'double', 2: 'Exemplar', 3: 'Timestamp' },
  Summary: { 1: 'uint64', 2: 'double', 3: 'Quantile*', 4: 'Timestamp' },
  Quantile: { 1: 'double', 2: 'double' },
  Histogram: {
    1: 'uint64',
    2: 'double',
    3: 'Bucket*',
    4: 'double',
    5: 'sint32',
    6: 'double',
    7: 'uint64',
    8: 'double',
    9: 'BucketSpan*',
    10: 'sint64*',
    11: 'double*',
    12: 'BucketSpan*',
    13: 'sint64*',
    14: 'double*',
    15: 'Timestamp',
    16: 'Exemplar*',
  },
  Bucket: { 1: 'uint64', 2: 'double', 3: 'Exemplar', 4: 'double' },
  BucketSpan: { 1: 'sint32', 2: 'uint32' },
  Exemplar: { 1: 'LabelPair*', 2: 'double', 3: 'Timestamp' },
  Timestamp: { 1: 'int64', 2: 'int32' },
};

/** The message of each type's metrics, and its field number there. */
const CONTENTS = [
  [3, 'Counter'],
  [2, 'Simple'],
  [4, 'Summary'],
  [5, 'Simple'],
  [7, 'Histogram'],
  [7, 'Histogram'],
] as const;

const DOUBLES = [0, -0, 1, 0.5, -1, 3, 1e300, Number.NaN, Infinity, 5e-324, 1e6];
const INTEGERS = [0n, 1n, 2n, 127n, 128n, 300n, 2n ** 31n, 2n ** 32n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n];
const TEXTS = [
  '',
  'x',
  'y',
  'é日本',
  '"\\\n',
  'a longer text that is more than a hundred and twenty-seven bytes, so its length takes two of them'.repeat(2),
];

export function randomProtobuf(random: Random): Buffer {
  const make = new Maker(random);
  const families = Array.from({ length: make.below(4) }, () => delimited(make.family()));
  return make.damaged(Buffer.concat(families));
}

class Maker {
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  #chance(probability: number): boolean {
    return this.#random() < probability;
  }

  #pick<T>(from: readonly [T, ...T[]] | readonly T[]): T {
    const picked = from[this.below(from.length)];
    if (picked === undefined) throw new Error('nothing to pick from');
    return picked;
  }

  family(): Buffer {
    const type = this.below(CONTENTS.length);
    const metrics = Array.from({ length: this.below(4) }, () => bytes(4, this.#metric(type)));
    const fields = [bytes(1, Buffer.from(this.#pick(['a', 'b', 'a_sum', 'c:d', 'a_bucket']))), ...metrics];
    if (this.#chance(0.98)) fields.push(varintField(3, BigInt(type)));
    if (this.#chance(0.5)) fields.push(bytes(2, Buffer.from(this.#pick(TEXTS))));
    if (this.#chance(0.1)) fields.push(bytes(5, Buffer.from('s')));
    return this.#mixed(fields);
  }

  #metric(type: number): Buffer {
    const fields: Buffer[] = [];
    for (const name of ['l', 'm', 'n']) {
      if (this.#chance(0.4))
        fields.push(bytes(1, Buffer.concat([bytes(1, Buffer.from(name)), bytes(2, Buffer.from(this.#pick(TEXTS)))])));
    }
    const [field, message] = CONTENTS[this.#chance(0.99) ? type : this.below(CONTENTS.length)] ?? CONTENTS[0];
    fields.push(bytes(field, this.#message(message)));
    if (this.#chance(0.03)) fields.push(bytes(field, this.#message(message)));
    if (this.#chance(0.02)) fields.push(varintField(6, this.#pick(INTEGERS)));
    return this.#mixed(fields);
  }

  #message(name: string): Buffer {
    const fields: Buffer[] = [];
    for (const [number, field] of Object.entries(MESSAGES[name] ?? {})) {
      if (this.#chance(name === 'Histogram' ? 0.75 : 0.3)) continue;
      const isList = field.includes('*');
      const type = field.replace('*', '');
      for (let left = isList ? this.below(4) : this.#chance(0.03) ? 2 : 1; left > 0; left--)
        fields.push(this.#field(Number(number), type));
      if (isList && this.#chance(0.1)) fields.push(this.#packed(Number(number), type));
    }
    return this.#mixed(fields);
  }

  #field(number: number, type: string): Buffer {
    switch (type) {
      case 'double':
        return Buffer.concat([tag(number, 1), double(this.#pick(DOUBLES))]);
      case 'uint64':
      case 'int64':
      case 'sint64':
      case 'uint32':
      case 'int32':
      case 'sint32':
        return varintField(number, this.#chance(0.7) ? BigInt(this.below(20)) : this.#pick(INTEGERS));
      case 'labelName':
        return bytes(number, Buffer.from(this.#pick(['l', 'm', 'trace_id'])));
      case 'text':
        return bytes(number, Buffer.from(this.#pick(TEXTS)));
      default:
        return bytes(number, this.#message(type));
    }
  }

  #packed(number: number, type: string): Buffer {
    const count = this.below(3);
    if (type === 'double')
      return bytes(number, Buffer.concat(Array.from({ length: count }, () => double(this.#pick(DOUBLES)))));
    return bytes(number, Buffer.concat(Array.from({ length: count }, () => varint(this.#pick(INTEGERS)))));
  }

  /** The fields, sometimes in another order, sometimes with unknown ones between them. */
  #mixed(fields: Buffer[]): Buffer {
    if (this.#chance(0.1)) fields.reverse();
    if (this.#chance(0.03)) fields.splice(this.below(fields.length + 1), 0, this.#unknown());
    return Buffer.concat(fields);
  }

  #unknown(): Buffer {
    const number = this.#pick([1, 2, 3, 4, 17, 1000, 2 ** 29 - 1, 2 ** 29]);
    const kind = this.below(7);
    if (kind === 0) return varintField(number, this.#pick(INTEGERS));
    if (kind === 1) return Buffer.concat([tag(number, 1), double(1)]);
    if (kind === 2) return bytes(number, Buffer.from([0x08, 0x01]));
    if (kind === 3) return Buffer.concat([tag(number, 5), Buffer.from([1, 2, 3, 4])]);
    if (kind === 4) return tag(number, this.#pick([4, 6, 7]));
    const inner = this.#chance(0.5) ? this.#unknown() : Buffer.alloc(0);
    return Buffer.concat([tag(number, 3), inner, tag(this.#chance(0.9) ? number : number + 1, 4)]);
  }

  damaged(body: Buffer): Buffer {
    if (this.#chance(0.9) || body.length === 0) return body;
    const at = this.below(body.length);
    switch (this.below(3)) {
      case 0:
        return body.subarray(0, at);
      case 1:
        body[at] = this.below(256);
        return body;
      default:
        return Buffer.concat([body.subarray(0, at), Buffer.from([this.below(256)]), body.subarray(at)]);
    }
  }
}

function varint(value: bigint): Buffer {
  const out: number[] = [];
  let rest = value;
  for (; rest >= 0x80n; rest >>= 7n) out.push(Number(rest & 0x7fn) | 0x80);
  out.push(Number(rest));
  return Buffer.from(out);
}

const tag = (number: number, wireType: number): Buffer => varint(BigInt(number) * 8n + BigInt(wireType));

function double(value: number): Buffer {
  const out = Buffer.alloc(8);
  out.writeDoubleLE(value);
  return out;
}

const varintField = (number: number, value: bigint): Buffer => Buffer.concat([tag(number, 0), varint(value)]);
const delimited = (content: Buffer): Buffer => Buffer.concat([varint(BigInt(content.length)), content]);
const bytes = (number: number, content: Buffer): Buffer => Buffer.concat([tag(number, 2), delimited(content)]);
