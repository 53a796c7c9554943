/**
 * A push as an entry of the log. Always the same fields in the same order: Redis then stores their names once a node.
 *
 *     v       version of this form
 *     id      of the push
 *     since   '' or, when it is sent again, the stream ID from which a first attempt may have been applied
 *     verb    PUT | POST | DELETE | FAIL | WIPE
 *     kind    push | ingest
 *     at      arrival, ms since the epoch
 *     ttl     ms, 0 = never expires
 *     body    strings, packed (packed-strings.ts): for each group its ID, its labels, its number of families, then for each
 *             the name and the content (state/family-record.ts)
 *
 * merge.lua reads it.
 */
import { renderHeader } from '../exposition/text/render-text.ts';
import { formatSelector } from '../model/format-selector.ts';
import { decodeLabels } from '../model/group.ts';
import { decodeFamilyRecord, encodeFamilyContent } from './family-record.ts';
import type { Push } from './push.ts';
import { packStrings, unpackStrings } from './packed-strings.ts';

const VERSION = '2';

export interface PushEntry {
  /** Names and values, alternating. */
  readonly fields: readonly (string | number | Buffer)[];
  /** About its size in memory. */
  readonly bytes: number;
  /** It is sent again; a first attempt may have been applied since this stream ID. */
  mark(since: string): void;
}

export function encodePush(push: Push): PushEntry {
  const { id, verb, kind, arrivalMs, ttlMs } = push;
  const body = encodeBody(push);
  // prettier-ignore
  const fields = [
    'v', VERSION, 'id', id, 'since', '', 'verb', verb, 'kind', kind,
    'at', Math.floor(arrivalMs), 'ttl', Math.ceil(ttlMs), 'body', body,
  ];
  return {
    fields,
    bytes: body.length,
    mark: (since) => {
      fields[fields.indexOf('since') + 1] = since;
    },
  };
}

function encodeBody({ groups }: Push): string | Buffer {
  const strings: (string | Buffer)[] = [];
  for (const { groupId, labels, families } of groups) {
    strings.push(groupId, labels, String(families.length));
    for (const { name, content } of families) strings.push(name, encodeFamilyContent(content));
  }
  return packStrings(strings);
}

/** A body for people to read: each group in a comment, then its families as text. What cannot be read is shown as it is. */
export function describeBody(body: Buffer): string {
  try {
    const strings = unpackStrings(body);
    let text = '';
    for (let at = 0; at < strings.length;) {
      text += `# ${formatSelector(decodeLabels(String(strings[at + 1])))}\n`;
      const families = Number(strings[at + 2]);
      at += 3;
      for (let i = 0; i < families; i++, at += 2) {
        const record = decodeFamilyRecord(Buffer.concat([Buffer.from('0 0 0 '), strings[at + 1] as Buffer]));
        text += renderHeader(String(strings[at]), record.help, record.type) + record.text.toString();
      }
    }
    return text;
  } catch {
    return body.toString();
  }
}
