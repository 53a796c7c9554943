import type { Content, GroupView } from './history.ts';

/** Each family has two series, so that a family with data of two pushes is detected. */
export const SERIES = ['1', '2'];
const FAMILIES = ['fault_a', 'fault_b', 'fault_c'];
export const JOB = 'faults';

/** What a PUT (all families) or POST (the middle one) carries. */
export function bodyOf(verb: 'PUT' | 'POST', value: number): string {
  const families = verb === 'PUT' ? FAMILIES : FAMILIES.slice(1, 2);
  return families.map((name) => SERIES.map((x) => `${name}{x="${x}"} ${value}\n`).join('')).join('');
}

export interface Reading {
  readonly groups: ReadonlyMap<string, GroupView>;
  /** Why the exposition is invalid. */
  readonly invalid?: string;
}

const COMMENT = /^# (TYPE|HELP) (\S+) ./;
const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/;
const GROUP = /(?:^|,)group="(\w+)"/;
const OUR_JOB = new RegExp(`(?:^|,)job="${JOB}"`);

/** Reads a scrape strictly, with an independent parser. Series of other jobs are only validated. */
export function readScrape(text: string): Reading {
  const invalid = faultOf(text);
  if (invalid !== undefined) return { groups: new Map(), invalid };
  const found = new Map<string, { values: number[][]; pushedMs: number | undefined }>();
  for (const line of text.split('\n')) {
    const [, name = '', labels = '', value = ''] = SAMPLE.exec(line) ?? [];
    const group = GROUP.exec(labels)?.[1];
    if (group === undefined || !OUR_JOB.test(labels)) continue;
    let view = found.get(group);
    if (view === undefined) found.set(group, (view = { values: [[], [], []], pushedMs: undefined }));
    if (name === 'push_time_seconds') view.pushedMs = Number(value) * 1_000;
    else view.values[FAMILIES.indexOf(name)]?.push(Number(value));
  }
  const groups = new Map<string, GroupView>();
  for (const [group, { values, pushedMs }] of found) {
    const [a = 0, b = 0, c = 0] = values.map(agreed);
    groups.set(group, { content: [a, b, c] satisfies Content, pushedMs });
  }
  return { groups };
}

function agreed(values: readonly number[]): number {
  const [first = 0] = values;
  if (values.length === 0) return 0;
  return values.length === SERIES.length && values.every((value) => value === first) ? first : NaN;
}

/** One TYPE a family, before its samples; samples of a family together; no series twice. */
function faultOf(text: string): string | undefined {
  if (text !== '' && !text.endsWith('\n')) return 'it does not end with a line feed';
  const typed = new Set<string>();
  const ended = new Set<string>();
  const series = new Set<string>();
  let current = '';
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const comment = COMMENT.exec(line);
    const sample = comment === null ? SAMPLE.exec(line) : null;
    const family = comment?.[2] ?? sample?.[1];
    if (family === undefined) return `neither a comment nor a sample: ${line}`;
    if (family !== current) {
      if (ended.has(family)) return `family ${family} is split`;
      if (current !== '') ended.add(current);
      current = family;
    }
    if (comment?.[1] === 'TYPE') {
      if (typed.has(family)) return `second TYPE of ${family}`;
      typed.add(family);
    }
    if (sample === null) continue;
    if (!typed.has(family)) return `no TYPE before ${line}`;
    const key = line.slice(0, line.lastIndexOf(' '));
    if (series.has(key)) return `series twice: ${key}`;
    series.add(key);
    if (sample[3] !== 'NaN' && Number.isNaN(Number(sample[3]?.replace('Inf', 'Infinity')))) return `no value: ${line}`;
  }
  return undefined;
}
