/**
 * Writes the protobuf wire format; its grammar is in reader.ts.
 */
import { BYTES, FIXED64, VARINT } from './reader.ts';

const TWO_32 = 2 ** 32;

const INITIAL_BYTES = 4096;
/** A larger buffer is released after use. */
const KEPT_BYTES = 2 ** 20;

const MAX_HIGH = TWO_32 - 1;
const MAX_SIGNED_HIGH = 2 ** 31 - 1;

export class WireWriter {
  #bytes = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  #length = 0;

  /** Discards what was written before, in case that ended with an error. */
  begin(): this {
    this.#length = 0;
    return this;
  }

  /** Returns a copy of what was written. */
  finish(): Buffer {
    const written = Buffer.from(this.#bytes.subarray(0, this.#length));
    this.#length = 0;
    if (this.#bytes.byteLength > KEPT_BYTES) this.#bytes = Buffer.allocUnsafeSlow(INITIAL_BYTES);
    return written;
  }

  /** `value`: an integer from 0 to 2^64. */
  uint64(field: number, value: number): void {
    this.#tag(field, VARINT);
    this.varint(value);
  }

  int64(field: number, value: number): void {
    this.#tag(field, VARINT);
    // Negative numbers are written as two's complement.
    if (value < 0) this.#varint(Math.floor(value / TWO_32) >>> 0, value >>> 0);
    else this.#varint(...halves(value, MAX_SIGNED_HIGH));
  }

  sint64(field: number, value: number): void {
    this.#tag(field, VARINT);
    const sign = value < 0 ? 1 : 0;
    const [high, low] = halves(value < 0 ? -value - 1 : value, MAX_SIGNED_HIGH);
    this.#varint(((high << 1) | (low >>> 31)) >>> 0, ((low << 1) | sign) >>> 0);
  }

  sint32(field: number, value: number): void {
    this.#tag(field, VARINT);
    this.#varint(0, ((value << 1) ^ (value >> 31)) >>> 0);
  }

  double(field: number, value: number): void {
    this.#tag(field, FIXED64);
    this.#reserve(8);
    this.#length = this.#bytes.writeDoubleLE(value, this.#length);
  }

  string(field: number, value: string): void {
    this.#tag(field, BYTES);
    if (value.length < 0x80 && this.#shortAscii(value)) return;
    const byteLength = Buffer.byteLength(value);
    this.varint(byteLength);
    this.#reserve(byteLength);
    this.#length += this.#bytes.write(value, this.#length);
  }

  /** Several times as fast for short ASCII, which most strings are. Returns false for others, and writes nothing. */
  #shortAscii(value: string): boolean {
    this.#reserve(0x80);
    const start = this.#length + 1;
    for (let i = 0; i < value.length; i++) {
      const code = value.charCodeAt(i);
      if (code >= 0x80) return false;
      this.#bytes[start + i] = code;
    }
    this.#bytes[start - 1] = value.length;
    this.#length = start + value.length;
    return true;
  }

  message(field: number, write: () => void): void {
    this.#tag(field, BYTES);
    this.delimited(write);
  }

  /** What `write` writes, with its length before it. */
  delimited(write: () => void): void {
    // Most are shorter than 128 bytes, so one byte is reserved for the length. Longer ones are moved.
    this.#reserve(1);
    const start = ++this.#length;
    write();
    const length = this.#length - start;
    let more = 0;
    for (let rest = length; rest >= 0x80; rest /= 0x80) more++;
    this.#reserve(more + 10);
    if (more > 0) this.#bytes.copyWithin(start + more, start, this.#length);
    const end = this.#length + more;
    this.#length = start - 1;
    this.varint(length);
    this.#length = end;
  }

  varint(value: number): void {
    this.#varint(...halves(value, MAX_HIGH));
  }

  #tag(field: number, wireType: number): void {
    this.#varint(0, field * 8 + wireType);
  }

  #varint(highBits: number, lowBits: number): void {
    this.#reserve(10);
    let high = highBits;
    let low = lowBits;
    while (high > 0 || low >= 0x80) {
      this.#bytes[this.#length++] = (low & 0x7f) | 0x80;
      low = ((low >>> 7) | (high << 25)) >>> 0;
      high >>>= 7;
    }
    this.#bytes[this.#length++] = low;
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.byteLength) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#bytes.byteLength * 2, this.#length + count));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}

/** The upper and lower 32 bits of an integer. One that was rounded up to 2^64 or 2^63 is reduced, so that it fits. */
function halves(value: number, maxHigh: number): [high: number, low: number] {
  const high = Math.floor(value / TWO_32);
  return high > maxHigh ? [maxHigh, TWO_32 - 1] : [high, value % TWO_32];
}
