/**
 * A family of one group: rendered once, by the ingest that took the push, and then only copied.
 *
 *     content = type SP samples SP help-bytes SP text-bytes LF help text exact      as it is in the log
 *     record  = stamp SP deadline SP arrival SP content                             as it is in the group's hash
 *
 *     stamp      of the push that wrote it (state/stamp.ts)
 *     deadline   ms since the epoch, 0 = never; the merge script reads it
 *     arrival    of that push, ms since the epoch
 *     samples    how many sample lines `text` has
 *     help       unescaped, help-bytes long
 *     text       sample lines in exposition format, without HELP and TYPE, text-bytes long
 *     exact      the family as a delimited protobuf, for those that `text` does not say whole; empty for most
 */
import { metricTypes, type MetricType } from '../exposition/model.ts';
import type { Stamp } from './stamp.ts';

export interface FamilyContent {
  readonly type: MetricType;
  readonly samples: number;
  readonly help: string;
  readonly text: string;
  readonly exact?: Uint8Array;
}

export interface FamilyRecord {
  readonly stamp: Stamp;
  /** 0 = never. */
  readonly deadlineMs: number;
  readonly arrivalMs: number;
  readonly type: MetricType;
  readonly samples: number;
  readonly help: string;
  /** May share memory with what it was decoded from, as `exact`. */
  readonly text: Buffer;
  readonly exact: Buffer;
}

/** A string where that can be, for it is cheaper to send. */
export function encodeFamilyContent({ type, samples, help, text, exact }: FamilyContent): string | Buffer {
  const content = `${type} ${samples} ${Buffer.byteLength(help)} ${Buffer.byteLength(text)}\n${help}${text}`;
  return exact === undefined ? content : Buffer.concat([Buffer.from(content), exact]);
}

const LF = 10;
/** The `exact` of most. */
export const NOTHING = Buffer.alloc(0);
/** So that every record has the same string. */
const TYPES = new Map<string, MetricType>(metricTypes.map((type) => [type, type]));

export function decodeFamilyRecord(record: Buffer): FamilyRecord {
  const lf = record.indexOf(LF);
  const [stamp, deadline, arrival, type, samples, helpBytes, textBytes] = record.toString('latin1', 0, lf).split(' ');
  if (stamp === undefined || textBytes === undefined)
    throw new Error('cannot decode family record: its header is cut short');
  const helpStart = lf + 1;
  const textStart = helpStart + Number(helpBytes);
  const exactStart = textStart + Number(textBytes);
  return {
    stamp,
    deadlineMs: Number(deadline),
    arrivalMs: Number(arrival),
    type: TYPES.get(type ?? '') ?? (type as MetricType),
    samples: Number(samples),
    help: record.toString('utf8', helpStart, textStart),
    text: record.subarray(textStart, exactStart),
    exact: exactStart === record.length ? NOTHING : record.subarray(exactStart),
  };
}
