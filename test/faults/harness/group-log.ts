/**
 * The possible orders of the pushes to one group in the log, and the resulting possible contents of the group.
 *
 * A push that was acknowledged before another was sent precedes it. An acknowledged push must be in the log; an
 * indeterminate one may be, at any time after it was sent. A state is a set of pushes that have taken effect; from a
 * set of states, `advance` computes all states that can be reached by a given time. If two states differ only in that
 * one has used more indeterminate pushes, that one is dropped: the other one can reach the same states.
 */
import { afterPush, EMPTY, isSame, type Content, type Flush, type Push } from './history.ts';

interface Step {
  readonly sentMs: number;
  /** Infinity if it is unknown. */
  readonly answeredMs: number;
  readonly apply: (content: Content) => Content;
}

export interface State {
  /** All certain steps before this one have been taken. */
  readonly done: number;
  /** Certain steps beyond it that have been taken. */
  readonly ahead: readonly number[];
  /** Indeterminate steps that have been taken. */
  readonly used: ReadonlySet<number>;
  readonly content: Content;
}

const START: State = { done: 0, ahead: [], used: new Set(), content: EMPTY };

export class GroupLog {
  readonly #certain: readonly Step[];
  readonly #uncertain: readonly Step[];
  readonly #byValue: ReadonlyMap<number, Push>;
  readonly #flushes: readonly Flush[];

  constructor(pushes: readonly Push[], flushes: readonly Flush[]) {
    const step = (push: Push): Step => ({
      sentMs: push.sentMs,
      answeredMs: push.fate === 'ok' ? push.answeredMs : Infinity,
      apply: (content) => afterPush(content, push),
    });
    const flushed = flushes.map(({ sentMs, answeredMs }): Step => ({ sentMs, answeredMs, apply: () => EMPTY }));
    const ok = pushes.filter(({ fate }) => fate === 'ok').map(step);
    this.#certain = [...ok, ...flushed].toSorted((one, other) => one.sentMs - other.sentMs);
    this.#uncertain = pushes.filter(({ fate }) => fate === 'indeterminate').map(step);
    this.#flushes = flushes;
    this.#byValue = new Map(pushes.map((push) => [push.value, push]));
  }

  get start(): readonly State[] {
    return [START];
  }

  pushOf(value: number): Push | undefined {
    return this.#byValue.get(value);
  }

  /**
   * The value of the newest DELETE that may have emptied the group after the push `mark` and before the push `before`
   * (0: any later one); `mark` itself, if there never was anything or it was the removal; Infinity if it was a flush.
   * Undefined = none.
   */
  removalAfter(mark: number, before: number, untilMs: number): number | undefined {
    const removals = [...this.#byValue.values()].filter(
      ({ verb, fate, value, sentMs }) =>
        verb === 'DELETE' &&
        fate !== 'refused' &&
        value > mark &&
        (before === 0 || value < before) &&
        sentMs <= untilMs,
    );
    const newest = removals.at(-1)?.value;
    if (newest !== undefined) return newest;
    if (this.#flushes.some(({ sentMs }) => sentMs <= untilMs)) return before === 0 ? Infinity : mark;
    return mark === 0 || this.#byValue.get(mark)?.verb === 'DELETE' ? mark : undefined;
  }

  /** All states that can be reached until then. */
  advance(states: readonly State[], untilMs: number): readonly State[] {
    const kept = new Map<string, State[]>();
    const queue = states.filter((state) => keep(kept, state));
    for (const state of queue) {
      for (const next of this.#after(state, untilMs)) if (keep(kept, next)) queue.push(next);
    }
    return [...kept.values()].flat();
  }

  /** Whether all that was acknowledged before then has taken effect. */
  includes(state: State, beforeMs: number): boolean {
    return this.#missing(state, beforeMs).length === 0;
  }

  isComplete(state: State): boolean {
    return state.done === this.#certain.length;
  }

  /** How many acknowledged steps have not taken effect. */
  missing(state: State): number {
    return this.#missing(state, Infinity).length;
  }

  /** Whether a step that `from` includes, and `to` does not, was acknowledged before then. */
  undoes(from: State, to: State, beforeMs: number): boolean {
    const missing = new Set(this.#missing(to, beforeMs));
    return this.#taken(from).some((i) => missing.has(i));
  }

  #taken(state: State): number[] {
    return [...Array.from({ length: state.done }, (_, i) => i), ...state.ahead];
  }

  #missing(state: State, beforeMs: number): number[] {
    const missing: number[] = [];
    for (let i = state.done; i < this.#certain.length; i++) {
      const { answeredMs } = this.#certain[i] as Step;
      if (answeredMs < beforeMs && !state.ahead.includes(i)) missing.push(i);
    }
    return missing;
  }

  *#after(state: State, untilMs: number): Generator<State> {
    for (let i = state.done; i < this.#certain.length; i++) {
      const step = this.#certain[i] as Step;
      // This also applies to all steps that were sent later.
      if (step.sentMs > untilMs || (i > state.done && (this.#certain[state.done] as Step).answeredMs < step.sentMs))
        break;
      if (!state.ahead.includes(i) && this.#mayFollow(state, step)) yield taken(state, i, step);
    }
    for (const [i, step] of this.#uncertain.entries()) {
      if (step.sentMs > untilMs || state.used.has(i) || !this.#mayFollow(state, step)) continue;
      yield { ...state, used: new Set([...state.used, i]), content: step.apply(state.content) };
    }
  }

  /** True if the state includes all steps that were acknowledged before the step was sent. */
  #mayFollow(state: State, { sentMs }: Step): boolean {
    for (let i = state.done; i < this.#certain.length; i++) {
      const earlier = this.#certain[i] as Step;
      if (earlier.sentMs >= sentMs) return true;
      if (earlier.answeredMs < sentMs && !state.ahead.includes(i)) return false;
    }
    return true;
  }
}

function taken(state: State, i: number, { apply }: Step): State {
  const ahead = new Set([...state.ahead, i]);
  let { done } = state;
  while (ahead.delete(done)) done++;
  return { done, ahead: [...ahead].toSorted((a, b) => a - b), used: state.used, content: apply(state.content) };
}

/** Returns false if an existing state can reach everything that this one can. */
function keep(kept: Map<string, State[]>, state: State): boolean {
  const key = `${state.done}|${state.ahead.join()}|${state.content.join()}`;
  const alike = kept.get(key) ?? [];
  if (alike.some((other) => isSubset(other.used, state.used))) return false;
  kept.set(key, [...alike.filter((other) => !isSubset(state.used, other.used)), state]);
  return true;
}

function isSubset(one: ReadonlySet<number>, of: ReadonlySet<number>): boolean {
  return [...one].every((element) => of.has(element));
}

export function holding(states: readonly State[], content: Content): State[] {
  return states.filter((state) => isSame(state.content, content));
}
