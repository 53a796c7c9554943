import { isUtf8 } from 'node:buffer';
import { GatewayError } from '../errors.ts';

/**
 * The text of a body. Throws `exposition_invalid`, naming the first line that is not UTF-8: a replacement character in its place
 * would make different series look the same.
 */
export function decodeUtf8(body: Uint8Array): string {
  // Not a TextDecoder: that would drop a byte order mark, which the format does not allow.
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  if (isUtf8(bytes)) return bytes.toString('utf8');

  let line = 1;
  for (let start = 0; ; line++) {
    const end = bytes.indexOf(0x0a, start);
    if (end < 0 || !isUtf8(bytes.subarray(start, end))) break;
    start = end + 1;
  }
  throw new GatewayError('exposition_invalid', `text format parsing error in line ${String(line)}: invalid UTF-8`);
}
