/**
 * A family of one group as it is stored: ready to be served, rendered once by the worker.
 *
 *     record  = stamp SP deadline SP arrival SP type SP samples SP help-bytes SP text-bytes LF help text exact
 *     stamp      of the push that wrote it (state/stamp.ts); the merge script compares it
 *     deadline   ms since the epoch, 0 = never; the merge script reads it
 *     arrival    of that push, ms since the epoch
 *     samples    how many sample lines `text` has
 *     help       unescaped, help-bytes long
 *     text       sample lines in exposition format, without HELP and TYPE, text-bytes long
 *     exact      the family as a delimited protobuf, for those that `text` does not say whole; empty for most
 */
import type { MetricType } from '../exposition/model.ts';
import type { Stamp } from './stamp.ts';

interface Written {
  readonly stamp: Stamp;
  /** 0 = never. */
  readonly deadlineMs: number;
  readonly arrivalMs: number;
}

export interface FamilyRecord extends Written {
  readonly type: MetricType;
  readonly samples: number;
  readonly help: string;
  /** May share memory with what it was decoded from, as `exact`. */
  readonly text: Buffer;
  readonly exact: Buffer;
}

export interface FamilyContent {
  readonly type: MetricType;
  readonly samples: number;
  readonly help: string;
  readonly text: string;
  readonly exact?: Uint8Array;
}

export function encodeFamilyRecord(written: Written, family: FamilyContent): string | Uint8Array {
  const { stamp, deadlineMs, arrivalMs } = written;
  const { type, samples, help, text, exact } = family;
  const lengths = `${Buffer.byteLength(help)} ${Buffer.byteLength(text)}`;
  const record = `${stamp} ${deadlineMs} ${arrivalMs} ${type} ${samples} ${lengths}\n${help}${text}`;
  return exact === undefined ? record : Buffer.concat([Buffer.from(record), exact]);
}

const LF = 10;

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
    type: type as MetricType,
    samples: Number(samples),
    help: record.toString('utf8', helpStart, textStart),
    text: record.subarray(textStart, exactStart),
    exact: record.subarray(exactStart),
  };
}
