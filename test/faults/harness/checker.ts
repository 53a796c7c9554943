/**
 * Compares the observations of readers with the history of pushes and returns the violations. Pure.
 *
 *   lost          an acknowledged push is not in force at the end
 *   torn          a part of a PUT, or the rest of a group after its DELETE
 *   resurrected   a reader shows replaced data again, after it had shown the acknowledged push that replaced it
 *   backwards     the same, but the push was not acknowledged yet when the reader last showed it
 *   reordered     a push is visible before an older one, although no family goes back
 *   ahead         the same, but that push was not acknowledged yet
 *   unpushed      a value that was not pushed, or not yet
 *   refused       a push that was refused took effect
 *   push time     push_time_seconds is not that of a visible push
 *   invalid       the exposition is invalid
 *   unequal       two readers differ at the end
 */
import { GroupLog, holding, type State } from './group-log.ts';
import { EMPTY, isSame, type Content, type GroupView, type History, type Observation, type Push } from './history.ts';

export type ViolationKind =
  | 'lost'
  | 'torn'
  | 'resurrected'
  | 'backwards'
  | 'reordered'
  | 'ahead'
  | 'unpushed'
  | 'refused'
  | 'push time'
  | 'invalid'
  | 'unequal';

export interface Violation {
  readonly kind: ViolationKind;
  readonly reader: string;
  readonly group: string;
  readonly atMs: number;
  readonly what: string;
  /** Number of acknowledged pushes, for a final loss. */
  readonly count?: number;
}

export interface Verdict {
  readonly violations: readonly Violation[];
  /**
   * Time from the end of the fault until each reader showed all pushes acknowledged before that end, ms; undefined =
   * never.
   */
  readonly convergedMs: ReadonlyMap<string, number | undefined>;
}

export interface Evidence {
  readonly history: History;
  /** Observations of all readers; those of one reader are in order of time. */
  readonly observations: readonly Observation[];
  /** The last observation of each reader, after all pushes are answered and readers are equal. */
  readonly final: readonly Observation[];
  /** When the last fault ended. */
  readonly faultEndMs: number;
}

const NO_VIEW: GroupView = { content: EMPTY, pushedMs: undefined };

export function check({ history, observations, final, faultEndMs }: Evidence): Verdict {
  const violations: Violation[] = [];
  const convergedMs = new Map<string, number | undefined>();
  const logs = groupLogs(history);
  for (const reader of new Set([...observations, ...final].map((observation) => observation.reader))) {
    const own = observations.filter((observation) => observation.reader === reader);
    const last = final.find((observation) => observation.reader === reader);
    const all = last === undefined ? own : [...own, last];
    const converged: (number | undefined)[] = [];
    for (const [group, log] of logs) {
      const follower = new GroupFollower(group, log, faultEndMs);
      for (const observation of all) violations.push(...follower.observe(observation));
      if (last !== undefined) violations.push(...follower.conclude(last));
      converged.push(follower.convergedMs);
    }
    for (const observation of all) violations.push(...judgeWhole(observation, logs));
    const never = converged.includes(undefined);
    convergedMs.set(reader, never ? undefined : Math.max(0, ...converged.map((at = 0) => at - faultEndMs)));
  }
  return { violations: [...violations, ...differences(final)], convergedMs };
}

/** One reader's view of one group, scrape by scrape. */
class GroupFollower {
  readonly #group: string;
  readonly #log: GroupLog;
  readonly #faultEndMs: number;
  readonly #marks: Marks;
  #states: readonly State[];
  #shown: GroupView = NO_VIEW;
  /** Start of the last scrape that showed it. */
  #shownMs = 0;
  /** Wall clock; undefined while it has not. */
  convergedMs: number | undefined;

  constructor(group: string, log: GroupLog, faultEndMs: number) {
    this.#group = group;
    this.#log = log;
    this.#faultEndMs = faultEndMs;
    this.#states = log.start;
    this.#marks = new Marks(log);
  }

  observe(observation: Observation): Violation[] {
    if (observation.invalid !== undefined) return [];
    const view = observation.groups.get(this.#group) ?? NO_VIEW;
    const isNews = !isSame(view.content, this.#shown.content) || view.pushedMs !== this.#shown.pushedMs;
    const violations = isNews ? this.#judge(view, observation) : [];
    this.#shown = view;
    this.#shownMs = observation.askedMs;
    if (this.convergedMs === undefined && observation.answeredMs >= this.#faultEndMs) this.#lookForEnd(observation);
    return violations;
  }

  conclude(observation: Observation): Violation[] {
    if (observation.invalid !== undefined) return [];
    const reachable = this.#log.advance(this.#log.start, observation.answeredMs);
    const alike = holding(reachable, this.#shown.content);
    if (alike.some((state) => this.#log.isComplete(state))) return [];
    const count = Math.min(...(alike.length > 0 ? alike : this.#log.start).map((state) => this.#log.missing(state)));
    const what = `ends with ${describe(this.#shown)}: ${count} acknowledged pushes are not in force`;
    return [{ ...this.#violation('lost', observation, what), count }];
  }

  #lookForEnd({ answeredMs }: Observation): void {
    const reached = holding(this.#log.advance(this.#states, answeredMs), this.#shown.content);
    if (reached.some((state) => this.#log.includes(state, this.#faultEndMs))) this.convergedMs = answeredMs;
  }

  #judge(view: GroupView, observation: Observation): Violation[] {
    const { content } = view;
    const time = this.#judgePushTime(view, observation);
    const next = holding(this.#log.advance(this.#states, observation.answeredMs), content);
    if (next.length > 0) {
      this.#states = next;
      this.#marks.note(content);
      return time;
    }
    const stranger = this.#findStranger(content, observation);
    if (stranger !== undefined) return [stranger];
    const shown = `${describe(view)} after ${describe(this.#shown)}`;
    if (this.#isTorn(content)) return [this.#violation('torn', observation, shown)];

    // It may be consistent without the previous observation: then the reader went back.
    const ever = holding(this.#log.advance(this.#log.start, observation.answeredMs), content);
    if (ever.length === 0 && this.#marks.allow(content, observation.answeredMs)) {
      // Later pushes make it consistent again.
      this.#marks.note(content);
      const isFinal = this.#isAcknowledged(Math.max(...content), observation.askedMs);
      return [this.#violation(isFinal ? 'reordered' : 'ahead', observation, shown), ...time];
    }
    this.#marks.reset(content);
    const kind = this.#undoesAcknowledged(ever, view) ? 'resurrected' : 'backwards';
    if (ever.length > 0) this.#states = ever;
    return [this.#violation(kind, observation, shown), ...time];
  }

  #isAcknowledged(value: number, beforeMs: number): boolean {
    const push = this.#log.pushOf(value);
    return push?.fate === 'ok' && push.answeredMs < beforeMs;
  }

  #undoesAcknowledged(ever: readonly State[], { content }: GroupView): boolean {
    const left = this.#shown.content.filter((value) => value !== 0 && !content.includes(value));
    if (left.length > 0 && left.every((value) => this.#isAcknowledged(value, this.#shownMs))) return true;
    return ever.every((to) => this.#states.every((from) => this.#log.undoes(from, to, this.#shownMs)));
  }

  #isTorn([a, b, c]: Content): boolean {
    if (!Object.is(a, c) || Number.isNaN(b)) return true;
    if (a === b) return false;
    return this.#log.pushOf(b)?.verb !== 'POST' || (a !== 0 && this.#log.pushOf(a)?.verb !== 'PUT');
  }

  #findStranger(content: Content, observation: Observation): Violation | undefined {
    for (const value of content) {
      if (value === 0 || Number.isNaN(value)) continue;
      const push = this.#log.pushOf(value);
      if (push === undefined || push.sentMs > observation.answeredMs)
        return this.#violation('unpushed', observation, `shows ${value}, which was not pushed`);
      if (push.fate === 'refused')
        return this.#violation('refused', observation, `shows ${value}, answered with ${push.answer}`);
    }
    return undefined;
  }

  #judgePushTime({ content, pushedMs }: GroupView, observation: Observation): Violation[] {
    const pushes = content.map((value) => this.#log.pushOf(value)).filter((push) => push !== undefined);
    if (pushes.length === 0 && pushedMs === undefined) return [];
    if (pushes.some((push) => pushedMs !== undefined && isWithin(pushedMs, push))) return [];
    const what = `${describe({ content, pushedMs })}, pushed ${pushes.map((push) => push.sentMs).join()}`;
    return [this.#violation('push time', observation, what)];
  }

  #violation(kind: ViolationKind, { reader, answeredMs }: Observation, what: string): Violation {
    return { kind, reader, group: this.#group, atMs: answeredMs, what };
  }
}

/**
 * The newest values that a reader has shown, by family. Older values must not appear again, in any order of merges. The
 * position of an indeterminate push in the log is unknown, so it implies nothing.
 */
class Marks {
  readonly #log: GroupLog;
  /** The newest PUT or DELETE that must have been merged, and the newest push to the middle family. */
  #whole = 0;
  #middle = 0;
  /** Values that were replaced by other pushes. */
  readonly #replaced: [whole: Set<number>, middle: Set<number>] = [new Set(), new Set()];
  #last: [whole: number, middle: number] = [0, 0];

  constructor(log: GroupLog) {
    this.#log = log;
  }

  /** Of a content that is not torn. */
  allow([a, b]: Content, untilMs: number): boolean {
    if (this.#replaced[0].has(a) || this.#replaced[1].has(b)) return false;
    const whole = a === 0 ? this.#log.removalAfter(this.#whole, b, untilMs) : a;
    if (whole === undefined || (a !== 0 && this.#isBelow(a, this.#whole))) return false;
    if (b === 0) return whole >= this.#middle;
    return !this.#isBelow(b, Math.max(this.#middle, whole));
  }

  note([a, b]: Content): void {
    for (const [i, value] of [a, b].entries()) {
      const last = this.#last[i] ?? 0;
      if (last !== 0 && last !== value) this.#replaced[i]?.add(last);
      this.#last[i] = value;
    }
    if (this.#isCertain(a)) this.#whole = Math.max(this.#whole, a);
    if (this.#isCertain(b)) this.#middle = Math.max(this.#middle, b);
  }

  reset(content: Content): void {
    this.#whole = 0;
    this.#middle = 0;
    for (const values of this.#replaced) values.clear();
    this.#last = [0, 0];
    this.note(content);
  }

  #isBelow(value: number, mark: number): boolean {
    return value < mark && this.#isCertain(value);
  }

  #isCertain(value: number): boolean {
    return this.#log.pushOf(value)?.fate === 'ok';
  }
}

/**
 * A float of seconds does not keep the last digits; the arrival is taken a moment after the client has begun to send.
 */
function isWithin(pushedMs: number, { sentMs, answeredMs, fate }: Push): boolean {
  return pushedMs > sentMs - 2 && (fate === 'indeterminate' || pushedMs < answeredMs + 2);
}

function groupLogs({ pushes, flushes }: History): Map<string, GroupLog> {
  const byGroup = new Map<string, Push[]>();
  for (const push of pushes) {
    const own = byGroup.get(push.group);
    if (own === undefined) byGroup.set(push.group, [push]);
    else own.push(push);
  }
  return new Map([...byGroup].map(([group, own]) => [group, new GroupLog(own, flushes)]));
}

function judgeWhole(observation: Observation, logs: ReadonlyMap<string, GroupLog>): Violation[] {
  const { reader, answeredMs, groups, invalid } = observation;
  const at = { reader, atMs: answeredMs };
  if (invalid !== undefined) return [{ kind: 'invalid', group: '', ...at, what: invalid }];
  const unknown = [...groups.keys()].filter((group) => !logs.has(group));
  return unknown.map((group) => ({ kind: 'unpushed', group, ...at, what: 'a group that was never pushed' }));
}

function differences(final: readonly Observation[]): Violation[] {
  const [first, ...others] = final;
  if (first === undefined) return [];
  return others.flatMap((other) => {
    const groups = [...new Set([...first.groups.keys(), ...other.groups.keys()])];
    return groups.flatMap((group): Violation[] => {
      const [one, two] = [first.groups.get(group) ?? NO_VIEW, other.groups.get(group) ?? NO_VIEW];
      if (isSame(one.content, two.content) && one.pushedMs === two.pushedMs) return [];
      const what = `${first.reader} shows ${describe(one)}, ${other.reader} ${describe(two)}`;
      return [{ kind: 'unequal', reader: other.reader, group, atMs: other.answeredMs, what }];
    });
  });
}

function describe({ content, pushedMs }: GroupView): string {
  const [a, b, c] = content;
  return isSame(content, EMPTY) && pushedMs === undefined ? 'nothing' : `a=${a} b=${b} c=${c} (pushed ${pushedMs})`;
}
