/**
 * Content-Encoding of request bodies: gzip (RFC 1952, any number of members) and snappy in its framing format
 * (https://github.com/google/snappy/blob/main/framing_format.txt). As in the official gateway, an unknown encoding is
 * ignored and the body is read as it is.
 */
import type { IncomingMessage } from 'node:http';
import { gunzipSync, type ZlibOptions } from 'node:zlib';
import { uncompress } from 'snappyjs';
import { asError, GatewayError } from '../../errors.ts';
import { maskedCrc32c } from './crc32c.ts';

/** A request with gzip encoding and no body. The official gateway refuses it on any path, before routing. */
export function isEmptyGzip({ headers }: Pick<IncomingMessage, 'headers'>): boolean {
  if (headers['content-encoding']?.toLowerCase() !== 'gzip') return false;
  return headers['transfer-encoding'] === undefined && Number(headers['content-length'] ?? 0) === 0;
}

/** For unused bodies: throws `request_invalid` if the body does not begin with the header of its encoding. */
export function checkEncoding(body: Buffer, encoding: string | undefined): void {
  if (encoding?.toLowerCase() !== 'gzip') return;
  if (body.length < GZIP_HEADER_BYTES) refuse(body.length === 0 ? 'EOF' : 'unexpected EOF');
  if (body.readUIntBE(0, 3) !== GZIP_MAGIC) refuse('gzip: invalid header');
}

/**
 * The body without its encoding. Throws `request_invalid` for a body that is not in its encoding, and `push_too_large`
 * if it inflates above `maxBytes`; no more than that is inflated.
 */
export function inflate(body: Buffer, encoding: string | undefined, maxBytes: number): Buffer {
  switch (encoding?.toLowerCase()) {
    case 'gzip':
      return inflateGzip(body, maxBytes);
    case 'snappy':
      return inflateSnappy(body, maxBytes);
    default:
      return body;
  }
}

function inflateGzip(body: Buffer, maxBytes: number): Buffer {
  if (body.length === 0) refuse('EOF: Content-Encoding is gzip, but the body is empty');
  // With `info`, the result is an object; the type definitions do not know that.
  const options: ZlibOptions = { maxOutputLength: maxBytes, chunkSize: CHUNK_BYTES, info: true };
  try {
    const { buffer, engine } = gunzipSync(body, options) as unknown as Inflated;
    // zlib ignores bytes after the last member.
    if (engine.bytesWritten < body.length) refuse('gzip: invalid header after the last member');
    return buffer;
  } catch (thrown) {
    if (thrown instanceof GatewayError) throw thrown;
    const error: NodeJS.ErrnoException = asError(thrown);
    if (error.code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(maxBytes);
    return refuse(`gzip: ${error.message}`);
  }
}

interface Inflated {
  readonly buffer: Buffer;
  readonly engine: { readonly bytesWritten: number };
}

/** Of the output of zlib, and of snappy chunks, uncompressed. */
const CHUNK_BYTES = 65_536;
const GZIP_HEADER_BYTES = 10;
/** The two magic bytes, and the only compression method. */
const GZIP_MAGIC = 0x1f8b08;

const STREAM_IDENTIFIER = Buffer.from('sNaPpY');
/** Bytes of a body for each of its chunks. Writers fill chunks with 64 KiB, unless they flush. */
const BYTES_PER_CHUNK = 32;
/** Chunks that any body may have. */
const SPARE_CHUNKS = 1_000;

/**
 *     stream = identifier { chunk }
 *     chunk  = type(1) length(3, little endian) data
 *     type   = 0xff identifier | 0x00 checksum(4) snappy | 0x01 checksum(4) plain | 0x80-0xfe skipped | others refused
 */
function inflateSnappy(body: Buffer, maxBytes: number): Buffer {
  const chunks: Buffer[] = [];
  const maxChunks = SPARE_CHUNKS + body.length / BYTES_PER_CHUNK;
  let total = 0;
  let at = 0;
  for (let count = 1; at < body.length; count++) {
    // Each takes a microsecond, also one that holds nothing.
    if (count > maxChunks) refuse('snappy: the chunks of the stream hold less than 32 bytes on average');
    if (at + 4 > body.length) refuse('snappy: unexpected end of a chunk header');
    const type = body.readUInt8(at);
    const end = at + 4 + body.readUIntLE(at + 1, 3);
    if (end > body.length) refuse('snappy: unexpected end of a chunk');
    const data = body.subarray(at + 4, end);
    if (at === 0 && type !== 0xff) refuse('snappy: the stream does not begin with its identifier');
    at = end;
    if (type === 0xff) {
      if (!data.equals(STREAM_IDENTIFIER)) refuse('snappy: corrupt stream identifier');
    } else if (type <= 0x01) {
      const chunk = readChunk(data, type === 0x00);
      total += chunk.length;
      if (total > maxBytes) throw tooLarge(maxBytes);
      chunks.push(chunk);
    } else if (type < 0x80) {
      refuse(`snappy: unsupported chunk type 0x${type.toString(16)}`);
    }
  }
  return Buffer.concat(chunks);
}

function readChunk(data: Buffer, compressed: boolean): Buffer {
  if (data.length < 4) refuse('snappy: corrupt chunk');
  let chunk = data.subarray(4);
  if (compressed) {
    try {
      chunk = uncompress(chunk, CHUNK_BYTES);
    } catch (thrown) {
      refuse(`snappy: ${asError(thrown).message}`);
    }
  }
  if (chunk.length > CHUNK_BYTES || maskedCrc32c(chunk) !== data.readUInt32LE(0)) refuse('snappy: corrupt chunk');
  return chunk;
}

function tooLarge(maxBytes: number): GatewayError {
  const why = `the body is larger than ${maxBytes} bytes when inflated (--push.max-body-bytes)`;
  return new GatewayError('push_too_large', why);
}

function refuse(reason: string): never {
  throw new GatewayError('request_invalid', reason);
}
