/**
 * A family of one group as it is stored: ready to be served, rendered once by the worker.
 *
 *     record  = stamp SP deadline SP type SP samples SP help-bytes SP text-bytes LF help text extra
 *     stamp      of the push that wrote it (state/stamp.ts); the merge script compares it
 *     deadline   ms since the epoch, 0 = never; the merge script reads it
 *     samples    how many sample lines `text` has
 *     help       unescaped, help-bytes long
 *     text       sample lines in exposition format, without HELP and TYPE, text-bytes long
 *     extra      the rest: what text cannot say (protobuf); empty for most
 */
import type { MetricType } from '../exposition/model.ts';
import type { Stamp } from './stamp.ts';

export interface FamilyRecord {
  readonly stamp: Stamp;
  readonly deadlineMs: number;
  readonly type: MetricType;
  readonly samples: number;
  readonly help: string;
  /** May share memory with what it was decoded from. */
  readonly text: Buffer;
}

export interface FamilyContent {
  readonly type: MetricType;
  readonly samples: number;
  readonly help: string;
  readonly text: string;
}

export function encodeFamilyRecord(stamp: Stamp, deadlineMs: number, family: FamilyContent): string {
  const { type, samples, help, text } = family;
  const helpBytes = Buffer.byteLength(help);
  const textBytes = Buffer.byteLength(text);
  return `${stamp} ${deadlineMs} ${type} ${samples} ${helpBytes} ${textBytes}\n${help}${text}`;
}

const LF = 10;

export function decodeFamilyRecord(record: Buffer): FamilyRecord {
  const lf = record.indexOf(LF);
  const [stamp, deadline, type, samples, helpBytes, textBytes] = record.toString('latin1', 0, lf).split(' ');
  if (stamp === undefined || textBytes === undefined)
    throw new Error('cannot decode family record: its header is cut short');
  const helpStart = lf + 1;
  const textStart = helpStart + Number(helpBytes);
  return {
    stamp,
    deadlineMs: Number(deadline),
    type: type as MetricType,
    samples: Number(samples),
    help: record.toString('utf8', helpStart, textStart),
    text: record.subarray(textStart, textStart + Number(textBytes)),
  };
}
