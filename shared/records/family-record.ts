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
import { metricTypes, type MetricType } from '../model/metric-family.ts';
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
const SPACE = 32;
const ZERO = 48;
/** The `exact` of most. */
export const NOTHING = Buffer.alloc(0);
/** So that every record has the same string. */
const TYPES = new Map<string, MetricType>(metricTypes.map((type) => [type, type]));

export function decodeFamilyRecord(record: Buffer): FamilyRecord {
  // By its bytes: no strings for words that become numbers, and no stamp that holds on to the whole header.
  const stampEnd = wordEnd(record, 0);
  const deadlineEnd = wordEnd(record, stampEnd + 1);
  const arrivalEnd = wordEnd(record, deadlineEnd + 1);
  const typeEnd = wordEnd(record, arrivalEnd + 1);
  const samplesEnd = wordEnd(record, typeEnd + 1);
  const helpBytesEnd = wordEnd(record, samplesEnd + 1);
  const lf = wordEnd(record, helpBytesEnd + 1);
  if (record[helpBytesEnd] !== SPACE || record[lf] !== LF)
    throw new Error('cannot decode family record: its header is cut short');
  const type = record.toString('latin1', arrivalEnd + 1, typeEnd);
  const helpStart = lf + 1;
  const textStart = helpStart + decimal(record, samplesEnd + 1, helpBytesEnd);
  const exactStart = textStart + decimal(record, helpBytesEnd + 1, lf);
  return {
    stamp: record.toString('latin1', 0, stampEnd),
    deadlineMs: decimal(record, stampEnd + 1, deadlineEnd),
    arrivalMs: decimal(record, deadlineEnd + 1, arrivalEnd),
    type: TYPES.get(type) ?? (type as MetricType),
    samples: decimal(record, typeEnd + 1, samplesEnd),
    help: record.toString('utf8', helpStart, textStart),
    text: record.subarray(textStart, exactStart),
    exact: exactStart === record.length ? NOTHING : record.subarray(exactStart),
  };
}

/** Where the word that begins at `from` ends. Nothing is behind the end of a line: all words after it begin beyond it, and are empty. */
function wordEnd(bytes: Buffer, from: number): number {
  if (from > 0 && bytes[from - 1] !== SPACE) return from - 1;
  let at = from;
  while (at < bytes.length && bytes[at] !== SPACE && bytes[at] !== LF) at++;
  return at;
}

function decimal(bytes: Buffer, from: number, end: number): number {
  let n = 0;
  for (let i = from; i < end; i++) n = 10 * n + ((bytes[i] as number) - ZERO);
  return n;
}
