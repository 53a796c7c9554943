/**
 * What a group holds of a family, parsed for formats other than the text that the snapshot keeps: in pieces, because a
 * family may have a million series, and parsing them takes a second.
 */
import { parseText } from '../../../shared/exposition/text/parse-text.ts';
import { renderHeader } from '../../../shared/exposition/text/render-text.ts';
import { splitSamples } from '../../../shared/exposition/text/split-samples.ts';
import { splitFamily } from '../../../shared/exposition/protobuf/codec.ts';
import type { Family } from '../../../shared/model/metric-family.ts';
import type { FamilyHead } from './groups.ts';

/** Size of a piece in bytes: parsing it takes a millisecond or two. */
const PIECE_BYTES = 8 * 1024;

/** Each piece is the family with some of its metrics, and without its help. `text` are its sample lines. */
export function* holdingPieces(
  { name, type, exact }: Omit<FamilyHead, 'samples' | 'help'>,
  text: Buffer,
): Generator<Family> {
  if (exact.length > 0) {
    yield* splitFamily({ name, type }, exact, PIECE_BYTES);
    return;
  }
  const header = renderHeader(name, '', type);
  for (const lines of splitSamples(name, type, text, PIECE_BYTES)) {
    const family = parseText(header + lines.toString(), { utf8Names: true }).get(name);
    if (family !== undefined) yield family;
  }
}
