/**
 * The push times of all groups, as text alone: nothing can contradict them, until a family of that name is sent to /ingest, or a group is
 * called `instance=""`. From then on they are contested: families like any other, and no business of this class any more.
 */
import { PUSH_TIMES, pushTimeLabels, pushTimeRecord, pushTimeText, type PushTime } from './push-times.ts';
import type { Holding, SnapshotGroup } from './snapshot-family.ts';

/** Shows a group's text of a family in the place of that before; returns how many bytes it has. */
type Show = (name: string, group: SnapshotGroup, text: string) => number;

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
  set(group: SnapshotGroup, before: SnapshotGroup['record'] | undefined): void {
    if (before === undefined) this.#groups++;
    for (const time of this.#times) {
      // The time says whether anything changed.
      if (before !== undefined && time.msOf(before) === time.msOf(group.record)) continue;
      if (before !== undefined) this.#bytes -= lengthOf(group, time, before);
      this.#bytes += this.#show(time.name, group, textOfTime(group, time));
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
      const record = pushTimeRecord(time, time.msOf(group.record));
      yield { group, name: time.name, record, bytes: lengthOf(group, time), reason: undefined, hidden: undefined };
    }
  }
}

export function textOfTime(group: SnapshotGroup, time: PushTime, record = group.record): string {
  group.timeLabels ??= pushTimeLabels(group.labels);
  return pushTimeText(time.name, group.timeLabels, time.msOf(record));
}

function lengthOf(group: SnapshotGroup, time: PushTime, record?: SnapshotGroup['record']): number {
  return Buffer.byteLength(textOfTime(group, time, record));
}
