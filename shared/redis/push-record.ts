/**
 * A push as an entry of the log. Always the same fields in the same order: Redis then stores their names once a node.
 */
import { decodeLabels, encodeLabels, type GroupKind } from '../grouping/group.ts';
import type { BodyFormat } from '../exposition/decode-body.ts';
import type { Push, Verb } from '../state/push.ts';

const VERSION = '1';

/** `since`: '' or, when it is sent again, the stream ID from which a first attempt may have been applied (merge.lua). */
export function encodePush(push: Push, since: string): (string | number | Buffer)[] {
  return [
    'v',
    VERSION,
    'id',
    push.id,
    'verb',
    push.verb,
    'kind',
    push.kind,
    'labels',
    encodeLabels(push.labels),
    'at',
    push.arrivalMs,
    'ttl',
    push.ttlMs,
    'format',
    push.format,
    'since',
    since,
    'body',
    push.body,
  ];
}

export interface LoggedPush extends Push {
  readonly since: string;
}

/** Throws when the entry was not written by a gateway, or by one that is newer than this. */
export function decodePush(fields: readonly Buffer[]): LoggedPush {
  const entry = new Map<string, Buffer>();
  for (let i = 0; i + 1 < fields.length; i += 2)
    entry.set((fields[i] as Buffer).toString('latin1'), fields[i + 1] as Buffer);
  const text = (name: string): string => {
    const value = entry.get(name);
    if (value === undefined) throw new Error(`cannot decode push: it has no field "${name}"`);
    return value.toString();
  };
  const version = text('v');
  if (version !== VERSION) throw new Error(`cannot decode push: version "${version}" is not ${VERSION}`);
  return {
    id: text('id'),
    verb: text('verb') as Verb,
    kind: text('kind') as GroupKind,
    labels: decodeLabels(text('labels')),
    arrivalMs: Number(text('at')),
    ttlMs: Number(text('ttl')),
    format: text('format') as BodyFormat,
    since: text('since'),
    body: entry.get('body') ?? Buffer.alloc(0),
  };
}
