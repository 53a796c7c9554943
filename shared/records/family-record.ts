/**
 * A family of one group: rendered once, by the ingest node that took the push, and only copied from then on.
 *
 *     content = type SP samples SP help-bytes SP text-bytes LF help text exact      in the log
 *     record  = stamp SP deadline SP arrival SP content                             in the hash of the group
 *
 *     stamp      of the push that wrote it (stamp.ts)
 *     deadline   ms since the epoch, 0 = never
 *     arrival    of that push, ms since the epoch
 *     samples    number of sample lines in `text`
 *     help       unescaped, help-bytes long
 *     text       sample lines in exposition format, without HELP and TYPE, text-bytes long
 *     exact      the family as a delimited protobuf message, if `text` cannot express all of it; otherwise empty
 */
import { METRIC_TYPES, type MetricType } from '../model/metric-family.ts';
import type { Stamp } from './stamp.ts';

export interface FamilyContent {
  readonly type: MetricType;
  readonly samples: number;
  readonly help: string;
  /** UTF-8 if it comes from a thread. */
  readonly text: string | Uint8Array;
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
  /** Like `exact`, it may share memory with the record that it was decoded from. */
  readonly text: Buffer;
  readonly exact: Buffer;
}

/** A string if possible: it is cheaper to send than bytes. */
export function encodeFamilyContent({ type, samples, help, text, exact }: FamilyContent): string | Buffer {
  const header = `${type} ${samples} ${Buffer.byteLength(help)} ${Buffer.byteLength(text)}\n${help}`;
  if (typeof text === 'string' && exact === undefined) return header + text;
  const bytes = typeof text === 'string' ? Buffer.from(text) : text;
  return Buffer.concat([Buffer.from(header), bytes, exact ?? NOTHING]);
}

const LF = 10;
const SPACE = 32;
const ZERO = 48;
/** The `exact` of most families. */
export const NOTHING = Buffer.alloc(0);
/** One string for each type, which all records share. */
const TYPES = new Map<string, MetricType>(METRIC_TYPES.map((type) => [type, type]));

export function decodeFamilyRecord(record: Buffer): FamilyRecord {
  // Decoded byte by byte: a stamp cut from a string of the header would keep all of it in memory.
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

/** Where the word that begins at `from` ends. Words that would begin after the end of the line are empty. */
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
