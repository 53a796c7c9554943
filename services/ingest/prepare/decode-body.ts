/** Reads a body in the format that the request's head settled. */
import type { Families } from '../../../shared/model/metric-family.ts';
import { parseText } from '../../../shared/exposition/text/parse-text.ts';
import { decodeProtobuf } from '../../../shared/exposition/protobuf/codec.ts';
import { decodeUtf8 } from '../../../shared/exposition/text/utf8.ts';

export type BodyFormat = 'text' | 'text-utf8' | 'protobuf' | 'protobuf-utf8';

/**
 * `maxSeries`: undefined = no limit. Throws GatewayError `exposition_invalid`, or `push_inconsistent` for protobuf metrics that are not of
 * their family's type, `push_too_large` for too many series.
 */
export function decodeBody(body: Uint8Array, format: BodyFormat, maxSeries?: number): Families {
  switch (format) {
    case 'text':
      return parseText(decodeUtf8(body), { maxSeries });
    case 'text-utf8':
      return parseText(decodeUtf8(body), { utf8Names: true, maxSeries });
    case 'protobuf':
      return decodeProtobuf(body, { maxSeries });
    case 'protobuf-utf8':
      return decodeProtobuf(body, { utf8Names: true, maxSeries });
    default:
      format satisfies never;
      throw new Error(`unknown body format "${String(format)}"`);
  }
}
