/**
 * The push times of all groups, as text alone: nothing can contradict them, until a family of that name is sent to /ingest, or a group is
 * called `instance=""`. From then on they are contested: families like any other, and no business of this class any more.
 */
import type { Labels } from '../../../shared/model/metric-family.ts';
import {
  PUSH_TIMES,
  pushTimeLabels,
  pushTimeRecord,
  pushTimeText,
  pushTimeValue,
  type PushTime,
} from './push-times.ts';
import { Holding, type SnapshotGroup } from './snapshot-group.ts';

/** Shows a group's text of a family in the place of that before; returns how many bytes it has. */
type Show = (name: string, group: SnapshotGroup, text: string, isNew: boolean) => number;

export class PlainPushTimes {
  readonly #show: Show;
  #times = PUSH_TIMES;
  #groups = 0;
  #bytes = 0;

  constructor(show: Show) {
    this.#show = show;
  }

  /** Those that are not contested. */
  get times(): readonly PushTime[] {
    return this.#times;
  }

  /** Those of them that some group has. */
  get shown(): readonly PushTime[] {
    return this.#groups > 0 ? this.#times : [];
  }

  get series(): number {
    return this.#groups * this.#times.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** `before` is what the group was, undefined if it is new. */
  set(group: SnapshotGroup, before: SnapshotGroup['record'] | undefined, labels: Labels): void {
    if (before === undefined) {
      this.#add(group, labels);
      return;
    }
    group.timeLabels ??= pushTimeLabels(labels);
    for (const time of this.#times) {
      // The time says whether anything changed.
      if (time.msOf(before) === time.msOf(group.record)) continue;
      // The rest of the text is as it was; a time has no more bytes than characters.
      this.#bytes += pushTimeValue(time.msOf(group.record)).length - pushTimeValue(time.msOf(before)).length;
      this.#show(time.name, group, textOfTime(group, time), false);
    }
  }

  #add(group: SnapshotGroup, labels: Labels): void {
    this.#groups++;
    // Kept from the next push on: of many groups at a start that is long to come.
    const rendered = pushTimeLabels(labels);
    for (const time of this.#times) {
      this.#bytes += this.#show(time.name, group, pushTimeText(time.name, rendered, time.msOf(group.record)), true);
    }
  }

  /** Hiding its texts is up to the caller. */
  delete(group: SnapshotGroup): void {
    this.#groups--;
    for (const time of this.#times) this.#bytes -= lengthOf(group, time);
  }

  /** From now on they are families; `groups`: all that have them. */
  contest(contested: PushTime, groups: Iterable<SnapshotGroup>): void {
    this.#times = this.#times.filter((time) => time !== contested);
    for (const group of groups) this.#bytes -= lengthOf(group, contested);
  }

  *holdings(groups: Iterable<SnapshotGroup>, time: PushTime): Generator<Holding> {
    for (const group of groups) {
      if (group.record.kind !== 'push') continue;
      const { stamp: top, deadlineMs: untilMs, ...head } = pushTimeRecord(time, 0);
      const written = { top, pushedMs: time.msOf(group.record), untilMs };
      yield new Holding(group, { name: time.name, ...head }, written, lengthOf(group, time));
    }
  }
}

export function textOfTime(group: SnapshotGroup, time: PushTime): string {
  group.timeLabels ??= pushTimeLabels(group.labels);
  return pushTimeText(time.name, group.timeLabels, time.msOf(group.record));
}

function lengthOf(group: SnapshotGroup, time: PushTime): number {
  return Buffer.byteLength(textOfTime(group, time));
}
