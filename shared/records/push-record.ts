/**
 * A push as an entry of the log, which merge.lua reads. The fields are always the same, in the same order: Redis then
 * stores their names once for each node of the stream.
 *
 *     v       version of this format
 *     id      push ID
 *     since   '', or for a push that is resent: stream ID of the newest change that was known before it was first sent
 *     verb    PUT | POST | DELETE | FAIL | WIPE
 *     kind    push | ingest
 *     at      arrival, ms since the epoch
 *     ttl     ms, 0 = never expires
 *     body    packed strings (packed-strings.ts): for each group its ID, labels and number of families, then for each
 *             family its name and content (family-record.ts)
 */
import { renderHeader } from '../exposition/text/render-text.ts';
import { formatSelector } from '../model/format-selector.ts';
import { decodeLabels } from '../model/labels.ts';
import { decodeFamilyRecord, encodeFamilyContent } from './family-record.ts';
import type { Push } from './push.ts';
import { packStrings, unpackStrings } from './packed-strings.ts';

const VERSION = '2';

export interface PushEntry {
  /** Names and values, alternating. */
  readonly fields: readonly (string | number | Buffer)[];
  /** Approximate size in memory. */
  readonly bytes: number;
  /** The push is resent: an earlier attempt may have been applied after the change with this stream ID. */
  markResent(since: string): void;
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
    markResent: (since) => {
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

/** A body as text for people: a comment for each group, then its families. Unchanged if it cannot be decoded. */
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
