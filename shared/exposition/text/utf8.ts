import { isUtf8 } from 'node:buffer';
import { GatewayError } from '../../errors.ts';

/**
 * The beginning of a line after which expfmt accepts any bytes: that of a comment, or of a HELP line up to the help.
 */
const FREE_TEXT_FOLLOWS = /^[ \t]*#[ \t]*(?:HELP[ \t]+(?:"(?:[^"\\]|\\.)*"|[^ \t"]*)|(?![ \t]|HELP[ \t]|TYPE[ \t]))/;

/**
 * The text of a body. Throws `exposition_invalid`, naming the first line that is not UTF-8, because replacement
 * characters could make different series equal. In comments and helps, they are used.
 */
export function decodeUtf8(body: Uint8Array): string {
  // Not a TextDecoder, which drops a byte order mark: the format does not allow one.
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  if (isUtf8(bytes)) return bytes.toString('utf8');

  let line = 1;
  for (let start = 0; start < bytes.length; line++) {
    const newline = bytes.indexOf(0x0a, start);
    const end = newline < 0 ? bytes.length : newline;
    if (!isUtf8(bytes.subarray(start, end)) && !isInFreeText(bytes.subarray(start, end))) {
      throw new GatewayError('exposition_invalid', `text format parsing error in line ${String(line)}: invalid UTF-8`);
    }
    start = end + 1;
  }
  return bytes.toString('utf8');
}

/** Bytes within which free text begins, if the line has any: longer names are refused (push-limits.ts). */
const MAX_PREFIX_BYTES = 1024 * 1024;

/** Whether all bytes that are not UTF-8 are in the free text of the line. */
function isInFreeText(line: Buffer): boolean {
  const before = FREE_TEXT_FOLLOWS.exec(line.toString('latin1', 0, MAX_PREFIX_BYTES))?.[0];
  return before !== undefined && isUtf8(line.subarray(0, before.length));
}
