/**
 * Reads a body in the format that was settled when the push came in. Ingest checks with it and the worker parses with it,
 * so that both see the same families.
 */
import type { BodyFormat } from '../state/push.ts';
import type { Families } from './model.ts';
import { parseText } from './parse-text.ts';
import { decodeUtf8 } from './utf8.ts';

/** Throws GatewayError `exposition_invalid`. */
export function decodeBody(body: Uint8Array, format: BodyFormat): Families {
  switch (format) {
    case 'text':
      return parseText(decodeUtf8(body));
    case 'text-utf8':
      return parseText(decodeUtf8(body), { utf8Names: true });
    case 'protobuf':
      throw new Error('protobuf is not supported yet');
    default:
      format satisfies never;
      throw new Error(`unknown body format "${String(format)}"`);
  }
}
