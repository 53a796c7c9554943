import { isUtf8 } from 'node:buffer';
import { GatewayError } from '../../errors.ts';

/** A comment, and of a HELP line what comes before the help: there expfmt takes any bytes. Of a TYPE line it takes none that are not UTF-8. */
const FREE_TEXT_FOLLOWS = /^[ \t]*#[ \t]*(?:HELP[ \t]+(?:"(?:[^"\\]|\\.)*"|[^ \t"]*)|(?![ \t]|HELP[ \t]|TYPE[ \t]))/;

/**
 * The text of a body. Throws `exposition_invalid`, naming the first line that is not UTF-8: a replacement character in its place
 * would make different series look the same. In comments and helps it does no harm.
 */
export function decodeUtf8(body: Uint8Array): string {
  // Not a TextDecoder: that would drop a byte order mark, which the format does not allow.
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

/** Whether all that is not UTF-8 in the line is in its free text. */
function isInFreeText(line: Buffer): boolean {
  const before = FREE_TEXT_FOLLOWS.exec(line.toString('latin1'))?.[0];
  return before !== undefined && isUtf8(line.subarray(0, before.length));
}
