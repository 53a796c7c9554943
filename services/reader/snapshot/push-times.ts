/**
 * The two families that every pushed group has without pushing them: when the group was last changed, and when that
 * last failed. Their names are reserved, so they cannot conflict with a pushed family and are kept as text alone.
 *
 * One conflict remains: `instance=""` and no instance make two groups whose push times are the same series. Ingest
 * refuses the second of such twins; if two ingest processes let both pass, the push times of the group with the greater
 * ID are hidden.
 */
import { formatFloat } from '../../../shared/exposition/text/format-float.ts';
import { renderLabels } from '../../../shared/exposition/text/render-text.ts';
import {
  isPushTime,
  PUSH_FAILURE_TIME,
  PUSH_TIME,
  twinLabels,
  withInstance,
} from '../../../shared/model/group-labels.ts';
import { makeGroup } from '../../../shared/model/group.ts';
import type { Labels } from '../../../shared/model/metric-family.ts';
import { NOTHING } from '../../../shared/records/family-record.ts';
import type { ExposedText } from './exposed-text.ts';
import { Holding, type FamilyHead, type KeptOut, type SnapshotGroup } from './groups.ts';

type Times = Pick<SnapshotGroup['record'], 'pushedMs' | 'failedMs'>;

interface PushTime extends FamilyHead {
  readonly msOf: (times: Times) => number;
}

const head = { type: 'gauge', samples: 1, exact: NOTHING } as const;
const HELP = 'Last Unix time when changing this group in the Pushgateway';

const PUSH_TIMES: readonly PushTime[] = [
  { ...head, name: PUSH_TIME, help: `${HELP} succeeded.`, msOf: ({ pushedMs }) => pushedMs },
  { ...head, name: PUSH_FAILURE_TIME, help: `${HELP} failed.`, msOf: ({ failedMs }) => failedMs },
];

export function pushTimeHead(name: string): FamilyHead | undefined {
  return isPushTime(name) ? PUSH_TIMES.find((time) => time.name === name) : undefined;
}

export class PushTimes {
  readonly #groups: ReadonlyMap<string, SnapshotGroup>;
  readonly #text: ExposedText;
  #count = 0;
  #bytes = 0;
  /** Groups with `instance=""`. */
  readonly #withEmptyInstance = new Set<SnapshotGroup>();
  readonly #hidden = new Set<SnapshotGroup>();

  /** `groups`: all groups of the snapshot, by ID. */
  constructor(groups: ReadonlyMap<string, SnapshotGroup>, text: ExposedText) {
    this.#groups = groups;
    this.#text = text;
  }

  /** The families that any group has. */
  get families(): readonly PushTime[] {
    return this.#count > 0 ? PUSH_TIMES : [];
  }

  get series(): number {
    return this.#count * PUSH_TIMES.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Families of groups. */
  get keptOut(): number {
    return this.#hidden.size * PUSH_TIMES.length;
  }

  *allKeptOut(): Generator<{ readonly group: SnapshotGroup; readonly name: string; readonly reason: KeptOut }> {
    for (const group of this.#hidden) for (const { name } of PUSH_TIMES) yield { group, name, reason: 'duplicate' };
  }

  /** `group`: a pushed group, which must be in `groups` already. */
  add(group: SnapshotGroup, labels: Labels): void {
    this.#count++;
    // Not kept before the second push, because many groups that are loaded at the start are never pushed again.
    const rendered = renderTimeLabels(labels);
    for (const time of PUSH_TIMES) {
      const text = textOf(time, rendered, group.record);
      this.#bytes += Buffer.byteLength(text);
      this.#text.set(time.name, group, text, true);
    }
    if (labels.some(([name, value]) => name === 'instance' && value === '')) this.#withEmptyInstance.add(group);
    const twin = this.#twinOf(group);
    if (twin === undefined) return;
    const hidden = twin.id < group.id ? group : twin;
    this.#hidden.add(hidden);
    this.#deleteText(hidden);
  }

  update(group: SnapshotGroup, before: Times): void {
    for (const time of PUSH_TIMES) {
      const [wasMs, isMs] = [time.msOf(before), time.msOf(group.record)];
      if (wasMs === isMs) continue;
      // The rest of the text is as before; a time has as many bytes as characters.
      this.#bytes += renderTime(isMs).length - renderTime(wasMs).length;
      if (!this.#hidden.has(group)) this.#text.set(time.name, group, timeText(group, time));
    }
  }

  /** `group` must still be in `groups`. */
  delete(group: SnapshotGroup): void {
    this.#count--;
    for (const time of PUSH_TIMES) this.#bytes -= Buffer.byteLength(timeText(group, time));
    if (!this.#hidden.delete(group)) this.#deleteText(group);
    const twin = this.#twinOf(group);
    if (twin !== undefined && this.#hidden.delete(twin)) {
      for (const time of PUSH_TIMES) this.#text.set(time.name, twin, timeText(twin, time));
    }
    this.#withEmptyInstance.delete(group);
  }

  /** What the groups hold of these families. */
  *holdings(groups: Iterable<SnapshotGroup>, times: readonly PushTime[]): Generator<Holding> {
    for (const group of groups) {
      if (group.record.kind !== 'push') continue;
      for (const time of times) {
        const text = timeText(group, time);
        const written = { top: '', pushedMs: time.msOf(group.record), untilMs: 0 };
        const holding = new Holding(group, time, written, Buffer.byteLength(text));
        if (this.#hidden.has(group)) {
          holding.hidden = Buffer.from(text);
          holding.reason = 'duplicate';
        }
        yield holding;
      }
    }
  }

  #deleteText(group: SnapshotGroup): void {
    for (const { name } of PUSH_TIMES) this.#text.delete(name, group);
  }

  #twinOf(group: SnapshotGroup): SnapshotGroup | undefined {
    const labels = this.#withEmptyInstance.size === 0 ? undefined : twinLabels(group.labels);
    return labels && this.#groups.get(makeGroup('push', labels).id);
  }
}

function timeText(group: SnapshotGroup, time: PushTime): string {
  group.timeLabels ??= renderTimeLabels(group.labels);
  return textOf(time, group.timeLabels, group.record);
}

function textOf({ name, msOf }: PushTime, labels: string, times: Times): string {
  return `${name}${labels} ${renderTime(msOf(times))}\n`;
}

function renderTimeLabels(labels: Labels): string {
  return renderLabels(withInstance(labels));
}

function renderTime(ms: number): string {
  return formatFloat(ms / 1000);
}
