/**
 * The two families that every pushed group has without having been pushed: when it was last changed, and when that last failed.
 */
import { formatFloat } from '../../../shared/exposition/text/format-float.ts';
import { mergeLabels, PUSH_FAILURE_TIME, PUSH_TIME } from '../../../shared/model/group-labels.ts';
import { renderLabels } from '../../../shared/exposition/text/render-text.ts';
import type { Labels } from '../../../shared/model/metric-family.ts';
import { NOTHING, type FamilyRecord } from '../../../shared/records/family-record.ts';

type Times = { readonly pushedMs: number; readonly failedMs: number };

export interface PushTime {
  readonly name: string;
  readonly help: string;
  readonly msOf: (times: Times) => number;
}

export const PUSH_TIMES: readonly PushTime[] = [
  {
    name: PUSH_TIME,
    help: 'Last Unix time when changing this group in the Pushgateway succeeded.',
    msOf: ({ pushedMs }) => pushedMs,
  },
  {
    name: PUSH_FAILURE_TIME,
    help: 'Last Unix time when changing this group in the Pushgateway failed.',
    msOf: ({ failedMs }) => failedMs,
  },
];

export function isPushTime(name: string): boolean {
  return name === PUSH_TIME || name === PUSH_FAILURE_TIME;
}

export function pushTimeCalled(name: string): PushTime | undefined {
  return isPushTime(name) ? PUSH_TIMES.find((time) => time.name === name) : undefined;
}

/** As if it had been pushed. Older than any stamp: what was sent to /ingest under this name gives way. Its end is the group's. */
export function pushTimeRecord({ help }: PushTime, ms: number): Omit<FamilyRecord, 'text'> {
  return { stamp: '', deadlineMs: 0, arrivalMs: ms, type: 'gauge', samples: 1, help, exact: NOTHING };
}

/** The labels of both series of a group, rendered. */
export function pushTimeLabels(labels: Labels): string {
  return renderLabels(mergeLabels([], labels));
}

export function pushTimeText(name: string, labels: string, ms: number): string {
  return `${name}${labels} ${pushTimeValue(ms)}\n`;
}

export function pushTimeValue(ms: number): string {
  return formatFloat(ms / 1000);
}
