/** Reads a body in the format that the request's head settled. */
import type { Families } from './model.ts';
import { parseText } from './parse-text.ts';
import { decodeProtobuf } from './protobuf-codec.ts';
import { decodeUtf8 } from './utf8.ts';

export type BodyFormat = 'text' | 'text-utf8' | 'protobuf' | 'protobuf-utf8';

/** Throws GatewayError `exposition_invalid`, or `push_inconsistent` for protobuf metrics that are not of their family's type. */
export function decodeBody(body: Uint8Array, format: BodyFormat): Families {
  switch (format) {
    case 'text':
      return parseText(decodeUtf8(body));
    case 'text-utf8':
      return parseText(decodeUtf8(body), { utf8Names: true });
    case 'protobuf':
      return decodeProtobuf(body);
    case 'protobuf-utf8':
      return decodeProtobuf(body, { utf8Names: true });
    default:
      format satisfies never;
      throw new Error(`unknown body format "${String(format)}"`);
  }
}
