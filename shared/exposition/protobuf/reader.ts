/**
 * Reads the protobuf wire format. https://protobuf.dev/programming-guides/encoding/
 *
 *     message = { tag value }        tag    = varint: field number * 8 + wire type
 *     value   = varint               0: enum, int, uint; zigzag for sint
 *             | 8 bytes              1: double, little endian
 *             | varint bytes         2: string, message, packed scalars
 *             | message tag          3: group, ends with the tag of its number and wire type 4; only ever skipped
 *             | 4 bytes              5
 *     varint  = at most 10 bytes, seven bits each, the lowest first; all but the last have the top bit
 *
 * As in Go's decoder, a known field with another wire type counts as an unknown one. Nothing is allocated before the
 * bytes that a length announces are known to be there.
 */
import { isUtf8 } from 'node:buffer';

export const VARINT = 0;
export const FIXED64 = 1;
export const BYTES = 2;
const GROUP = 3;
const GROUP_END = 4;
const FIXED32 = 5;

const MAX_FIELD_NUMBER = 2 ** 29 - 1;
/** Go's limit within groups, which it checks less strictly. */
const MAX_SKIPPED_NUMBER = 2 ** 31 - 1;
/** Go's limit on nested groups. */
const MAX_DEPTH = 10_000;
const TWO_32 = 2 ** 32;

/** Has the reason only; decode.ts adds which message is invalid. */
export class WireError extends Error {}

/** The message is valid otherwise. */
export class NotUtf8Error extends WireError {
  constructor() {
    super('a string is not UTF-8');
  }
}

/** A cursor. `next` moves to a field; then one of the reading methods reads its value, or `skip` skips it. */
export class WireReader {
  readonly #bytes: Buffer;
  /** The same bytes, each as one character. */
  readonly #ascii: string;
  #pos = 0;
  /** End of the message that is being read. */
  #end: number;

  /** Field number * 8 + wire type of the latest field. */
  tag = 0;

  // The latest varint.
  #low = 0;
  #high = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#ascii = this.#bytes.toString('latin1');
    this.#end = bytes.byteLength;
  }

  get atEnd(): boolean {
    return this.#pos === this.#end;
  }

  /** Index of the next byte. */
  get position(): number {
    return this.#pos;
  }

  next(maxField = MAX_FIELD_NUMBER): boolean {
    if (this.#pos === this.#end) return false;
    this.#readVarint();
    this.tag = this.#low + this.#high * TWO_32;
    const field = Math.floor(this.tag / 8);
    if (field < 1 || field > maxField) throw new WireError('invalid field number');
    return true;
  }

  skip(): void {
    const groups: number[] = [];
    do {
      const field = Math.floor(this.tag / 8);
      const wireType = this.tag % 8;
      if (wireType === VARINT) this.#readVarint();
      else if (wireType === FIXED64) this.#advance(8);
      else if (wireType === FIXED32) this.#advance(4);
      else if (wireType === BYTES) this.#advance(this.#readLength());
      else if (wireType === GROUP && groups.length < MAX_DEPTH) groups.push(field);
      else if (wireType !== GROUP_END || groups.pop() !== field) throw new WireError('invalid wire type');
      if (groups.length > 0 && !this.next(MAX_SKIPPED_NUMBER)) throw new WireError('unexpected end');
    } while (groups.length > 0);
  }

  /** Enters a message with its length before it: `next` ends with the message. Returns the argument for `leave`. */
  enter(): number {
    const length = this.#readLength();
    const outerEnd = this.#end;
    this.#end = this.#pos + length;
    return outerEnd;
  }

  /** Continues after the message, which must have been read to its end. */
  leave(outerEnd: number): void {
    this.#end = outerEnd;
  }

  /** If the string equals `expected`, that is returned instead of a new one. */
  string(expected = ''): string {
    const length = this.#readLength();
    const start = this.#pos;
    this.#pos += length;
    // Most strings are short and ASCII. These are slices of one large string, which is cheaper than decoding each.
    let isExpected = length === expected.length;
    for (let i = 0; i < length; i++) {
      const byte = this.#bytes[start + i] ?? 0;
      if (byte >= 0x80) return this.#utf8(start);
      isExpected &&= byte === expected.charCodeAt(i);
    }
    return isExpected ? expected : this.#ascii.slice(start, this.#pos);
  }

  /** Replaces bytes that are not UTF-8. */
  lossyString(): string {
    const length = this.#readLength();
    this.#advance(length);
    return this.#bytes.toString('utf8', this.#pos - length, this.#pos);
  }

  double(): number {
    this.#advance(8);
    return this.#bytes.readDoubleLE(this.#pos - 8);
  }

  /** Rounded above 2^53, as `int64` and `sint64`. */
  uint64(): number {
    this.#readVarint();
    return this.#high * TWO_32 + this.#low;
  }

  int64(): number {
    this.#readVarint();
    return (this.#high | 0) * TWO_32 + this.#low;
  }

  sint64(): number {
    this.#readVarint();
    const magnitude = (this.#high >>> 1) * TWO_32 + (((this.#low >>> 1) | (this.#high << 31)) >>> 0);
    return (this.#low & 1) === 0 ? magnitude : -magnitude - 1;
  }

  uint32(): number {
    this.#readVarint();
    return this.#low;
  }

  int32(): number {
    this.#readVarint();
    return this.#low | 0;
  }

  sint32(): number {
    this.#readVarint();
    return (this.#low >>> 1) ^ -(this.#low & 1);
  }

  #utf8(start: number): string {
    const bytes = this.#bytes.subarray(start, this.#pos);
    if (!isUtf8(bytes)) throw new NotUtf8Error();
    return bytes.toString('utf8');
  }

  #readLength(): number {
    const length = this.uint64();
    const left = this.#end - this.#pos;
    if (length > left) throw new WireError(`${String(length)} bytes are announced, but only ${String(left)} follow`);
    return length;
  }

  #advance(count: number): void {
    this.#pos += count;
    if (this.#pos > this.#end) throw new WireError('unexpected end');
  }

  #readVarint(): void {
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.#pos >= this.#end) throw new WireError('unexpected end');
      const byte = this.#bytes[this.#pos++] ?? 0;
      const bits = byte & 0x7f;
      if (shift < 28) {
        low |= bits << shift;
      } else if (shift === 28) {
        low |= bits << 28;
        high = bits >>> 4;
      } else {
        if (shift === 63 && byte > 1) break;
        high |= bits << (shift - 32);
      }
      if (byte < 0x80) {
        this.#low = low >>> 0;
        this.#high = high >>> 0;
        return;
      }
    }
    throw new WireError('a varint has more than 64 bits');
  }
}
