/**
 * A push as an entry of the log. Always the same fields in the same order: Redis then stores their names once a node.
 */
import { decodeLabels, encodeLabels, type GroupKind } from '../grouping/group.ts';
import type { BodyFormat } from '../exposition/decode-body.ts';
import { quote } from '../exposition/quote.ts';
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

const VERBS: readonly Verb[] = ['PUT', 'POST', 'DELETE', 'FAIL', 'WIPE'];
const KINDS: readonly GroupKind[] = ['push', 'ingest'];
const FORMATS: readonly BodyFormat[] = ['text', 'text-utf8', 'protobuf', 'protobuf-utf8'];
/** Two of them are still a time that Redis can take. */
const MAX_MS = Number.MAX_SAFE_INTEGER / 2;

/**
 * Throws when the entry was not written by a gateway, or by one that is newer than this. Checks all that the merge script relies on:
 * a script that fails has acknowledged its whole batch already.
 */
export function decodePush(fields: readonly Buffer[]): LoggedPush {
  const entry = new Map<string, Buffer>();
  for (let i = 0; i + 1 < fields.length; i += 2)
    entry.set((fields[i] as Buffer).toString('latin1'), fields[i + 1] as Buffer);
  const text = (name: string): string => {
    const value = entry.get(name);
    if (value === undefined) throw new Error(`cannot decode push: it has no field "${name}"`);
    return value.toString();
  };
  const matching = (name: string, pattern: RegExp): string => {
    const value = text(name);
    if (!pattern.test(value)) throw new Error(`cannot decode push: field "${name}" is ${quote(value)}`);
    return value;
  };
  const oneOf = <T extends string>(name: string, values: readonly T[]): T => {
    const value = text(name);
    const found = values.find((candidate) => candidate === value);
    if (found === undefined) throw new Error(`cannot decode push: field "${name}" is ${quote(value)}`);
    return found;
  };
  const ms = (name: string): number => {
    const value = Number(matching(name, /^\d+(\.\d+)?$/));
    if (value > MAX_MS) throw new Error(`cannot decode push: field "${name}" is ${value}`);
    return value;
  };
  const version = text('v');
  if (version !== VERSION) throw new Error(`cannot decode push: version ${quote(version)} is not ${VERSION}`);
  return {
    id: matching('id', /^\S{1,100}$/),
    verb: oneOf('verb', VERBS),
    kind: oneOf('kind', KINDS),
    labels: decodeLabels(text('labels')),
    arrivalMs: ms('at'),
    ttlMs: ms('ttl'),
    format: oneOf('format', FORMATS),
    since: matching('since', /^$|^\d{1,15}-\d{1,15}$/),
    body: entry.get('body') ?? Buffer.alloc(0),
  };
}
