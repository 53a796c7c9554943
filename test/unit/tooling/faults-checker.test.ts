import { describe, expect, test } from 'vitest';
import { check, type Evidence } from '../../faults/harness/checker.ts';
import type { Content, Fate, GroupView, Observation, Push, Verb } from '../../faults/harness/history.ts';
import { bodyOf, readScrape } from '../../faults/harness/read-scrape.ts';

// Tests of the checker: histories with a violation that it has to find, and valid ones.

/** `PUT 1 ok 10-20`: value 1, sent at 10, answered at 20. */
function push(text: string): Push {
  const [verb = '', value = '', fate = '', times = ''] = text.split(' ');
  const [sentMs = NaN, answeredMs = NaN] = times.split('-').map(Number);
  return {
    group: 'g',
    value: Number(value),
    verb: verb as Verb,
    fate: fate as Fate,
    sentMs,
    answeredMs,
    answer: fate === 'refused' ? '503 no' : '',
  };
}

/** `30 1 1 1`: at 30, a=1 b=1 c=1, with the push time of the newest value; `30` alone: nothing. */
function seen(text: string, pushes: readonly Push[], reader = 'r1'): Observation {
  const [at = NaN, ...values] = text.split(' ').map(Number);
  const newest = pushes.find(({ value }) => value === Math.max(...values.filter((one) => !Number.isNaN(one))));
  const view: GroupView = { content: values as unknown as Content, pushedMs: newest?.sentMs ?? at };
  return { reader, askedMs: at, answeredMs: at, groups: new Map(values.length === 0 ? [] : [['g', view]]) };
}

function judge(pushTexts: string[], scrapes: string[], more: Partial<Evidence> = {}) {
  const pushes = pushTexts.map(push);
  const observations = scrapes.map((text) => seen(text, pushes));
  const last = observations.at(-1);
  const verdict = check({
    history: { pushes, flushes: [] },
    observations,
    final: last === undefined ? [] : [{ ...last, askedMs: 1_000, answeredMs: 1_000 }],
    faultEndMs: 500,
    ...more,
  });
  return { ...verdict, kinds: verdict.violations.map(({ kind }) => kind) };
}

describe('accepts', () => {
  test.for<[what: string, pushes: string[], scrapes: string[]]>([
    ['the pushed values', ['PUT 1 ok 10-20', 'POST 2 ok 30-40'], ['21 1 1 1', '41 1 2 1']],
    ['a value that is visible before the answer', ['PUT 1 ok 10-20'], ['15 1 1 1']],
    [
      'a reader that lags behind and skips a value',
      ['PUT 1 ok 10-20', 'PUT 2 ok 30-40', 'PUT 3 ok 50-60'],
      ['70 1 1 1', '80 3 3 3'],
    ],
    ['a DELETE', ['PUT 1 ok 10-20', 'DELETE 2 ok 30-40'], ['25 1 1 1', '50']],
    ['a POST after a DELETE', ['PUT 1 ok 10-20', 'DELETE 2 ok 30-40', 'POST 3 ok 50-60'], ['25 1 1 1', '70 0 3 0']],
    [
      'an indeterminate push that took effect',
      ['PUT 1 ok 10-20', 'PUT 2 indeterminate 30-40'],
      ['25 1 1 1', '45 2 2 2'],
    ],
    [
      'an indeterminate push that never took effect',
      ['PUT 1 ok 10-20', 'PUT 2 indeterminate 30-40'],
      ['25 1 1 1', '45 1 1 1'],
    ],
    [
      'an indeterminate push that took effect late',
      ['PUT 1 ok 10-20', 'PUT 2 indeterminate 30-40', 'PUT 3 ok 50-60'],
      ['65 3 3 3', '70 2 2 2'],
    ],
    [
      'indeterminate pushes in any order',
      ['PUT 1 indeterminate 10-20', 'POST 2 indeterminate 30-40', 'DELETE 3 indeterminate 50-60'],
      ['70 0 2 0', '80', '90 1 1 1'],
    ],
    ['a refused push', ['PUT 1 ok 10-20', 'PUT 2 refused 30-40'], ['50 1 1 1']],
  ])('%s', ([, pushes, scrapes]) => {
    expect(judge(pushes, scrapes).violations).toEqual([]);
  });
});

describe('finds', () => {
  test.for<[kinds: string, what: string, pushes: string[], scrapes: string[]]>([
    ['lost', 'an acknowledged push', ['PUT 1 ok 10-20', 'PUT 2 ok 30-40'], ['50 1 1 1']],
    ['lost', 'all of them', ['PUT 1 ok 10-20'], ['50']],
    ['lost', 'a DELETE', ['PUT 1 ok 10-20', 'DELETE 2 ok 30-40'], ['50 1 1 1']],
    ['torn', 'half of a PUT', ['PUT 1 ok 10-20', 'PUT 2 ok 30-40'], ['25 1 1 1', '35 2 2 1', '45 2 2 2']],
    ['torn', 'a family of half a PUT', ['PUT 1 ok 10-20', 'PUT 2 ok 30-40'], ['25 1 1 1', '35 NaN 2 2', '45 2 2 2']],
    ['torn', 'a PUT without one of its families', ['PUT 1 ok 10-20'], ['15 1 0 1', '25 1 1 1']],
    ['torn', 'what is left of a DELETE', ['PUT 1 ok 10-20', 'DELETE 2 ok 30-40'], ['25 1 1 1', '35 0 1 0', '45']],
    [
      'resurrected',
      'an old value',
      ['PUT 1 ok 10-20', 'PUT 2 ok 30-40'],
      ['25 1 1 1', '45 2 2 2', '50 1 1 1', '60 2 2 2'],
    ],
    ['resurrected', 'a deleted group', ['PUT 1 ok 10-20', 'DELETE 2 ok 30-40'], ['25 1 1 1', '45', '50 1 1 1', '60']],
    [
      'resurrected',
      'an indeterminate push that took effect twice',
      ['PUT 1 indeterminate 10-20', 'PUT 2 ok 30-40'],
      ['25 1 1 1', '45 2 2 2', '50 1 1 1', '60 2 2 2'],
    ],
    [
      'reordered',
      'a POST before the PUT under it',
      ['PUT 1 ok 10-20', 'PUT 2 ok 30-40', 'POST 3 ok 50-60'],
      ['25 1 1 1', '65 1 3 1', '90 2 3 2'],
    ],
    [
      'reordered',
      'a POST before the DELETE under it',
      ['PUT 1 ok 10-20', 'DELETE 2 ok 30-40', 'POST 3 ok 50-60'],
      ['25 1 1 1', '65 1 3 1', '90 0 3 0'],
    ],
    [
      'ahead',
      'a POST that was not acknowledged yet before the PUT under it',
      ['PUT 1 ok 10-20', 'PUT 2 ok 30-40', 'POST 3 ok 50-80'],
      ['25 1 1 1', '65 1 3 1', '90 2 3 2'],
    ],
    [
      'backwards',
      'a value that was not acknowledged yet',
      ['PUT 1 ok 10-20', 'PUT 2 ok 30-60'],
      ['40 2 2 2', '50 1 1 1', '70 2 2 2'],
    ],
    [
      'backwards',
      'a value that is acknowledged at the moment the reader loses it',
      ['PUT 1 ok 10-20', 'PUT 2 ok 30-45'],
      ['40 2 2 2', '50 1 1 1', '70 2 2 2'],
    ],
    [
      'backwards',
      'an indeterminate push that was visible and then lost, when the next push takes effect',
      ['PUT 1 ok 10-20', 'PUT 2 ok 30-40', 'PUT 3 indeterminate 50-60', 'POST 4 ok 70-80'],
      ['25 1 1 1', '65 3 3 3', '85 2 4 2'],
    ],
    ['unpushed', 'a value that was never pushed', ['PUT 1 ok 10-20'], ['15 9 9 9', '25 1 1 1']],
    ['unpushed', 'a value from the future', ['PUT 1 ok 10-20', 'PUT 2 ok 30-40'], ['25 2 2 2', '45 2 2 2']],
    ['refused', 'a refused push', ['PUT 1 ok 10-20', 'PUT 2 refused 30-40'], ['45 2 2 2', '50 1 1 1']],
  ])('%s: %s', ([kind, , pushes, scrapes]) => {
    const { kinds } = judge(pushes, scrapes);
    expect(new Set(kinds)).toEqual(new Set([kind]));
  });

  test('push time: of another push', () => {
    const groups = new Map([['g', { content: [1, 1, 1] as Content, pushedMs: 900 }]]);
    const { kinds } = judge(['PUT 1 ok 10-20'], [], {
      observations: [{ reader: 'r1', askedMs: 950, answeredMs: 951, groups }],
      final: [],
    });
    expect(kinds).toEqual(['push time']);
  });

  test('unequal: two readers at the end', () => {
    const pushes = ['PUT 1 ok 10-20', 'PUT 2 indeterminate 30-40'].map(push);
    const final = [seen('600 1 1 1', pushes), seen('600 2 2 2', pushes, 'r2')];
    expect(judge(['PUT 1 ok 10-20', 'PUT 2 indeterminate 30-40'], [], { final }).kinds).toEqual(['unequal']);
  });

  test('invalid: a scrape that cannot be read', () => {
    const observation = { reader: 'r1', askedMs: 1, answeredMs: 2, groups: new Map(), invalid: 'family a is split' };
    expect(judge([], [], { observations: [observation], final: [] }).kinds).toEqual(['invalid']);
  });

  test('unpushed: a group that was never pushed', () => {
    const groups = new Map([['stranger', { content: [1, 1, 1] as Content, pushedMs: 1 }]]);
    const { kinds } = judge([], [], { observations: [{ reader: 'r1', askedMs: 1, answeredMs: 2, groups }], final: [] });
    expect(kinds).toEqual(['unpushed']);
  });
});

test('counts the lost pushes', () => {
  const { violations } = judge(['PUT 1 ok 10-20', 'PUT 2 ok 30-40', 'PUT 3 ok 50-60'], ['70 1 1 1']);
  expect(violations.map(({ kind, count }) => [kind, count])).toEqual([['lost', 2]]);
});

describe('a flush', () => {
  const flushes = [{ sentMs: 100, answeredMs: 110 }];
  const run = (pushTexts: string[], scrapes: string[]) =>
    judge(pushTexts, scrapes, { history: { pushes: pushTexts.map(push), flushes } }).kinds;

  test('removes earlier pushes', () => {
    expect(run(['PUT 1 ok 10-20', 'POST 2 ok 120-130'], ['25 1 1 1', '115', '140 0 2 0'])).toEqual([]);
    expect(run(['PUT 1 ok 10-20'], ['25 1 1 1', '115', '120 1 1 1', '130'])).toEqual(['resurrected']);
  });

  test('may leave pushes in flight', () => {
    expect(run(['PUT 1 ok 90-120'], ['95 1 1 1', '130'])).toEqual([]);
    expect(run(['PUT 1 ok 90-120'], ['130 1 1 1'])).toEqual([]);
  });

  test('removes no later push', () => {
    expect(run(['PUT 1 ok 120-130'], ['140 1 1 1', '150'])).toContain('lost');
  });
});

test('measures the time until a reader shows all pushes that were acknowledged before the end of the fault', () => {
  const pushes = ['PUT 1 ok 10-20', 'PUT 2 ok 30-40', 'PUT 3 ok 510-520'];
  expect(judge(pushes, ['21 1 1 1', '550 1 1 1', '700 2 2 2', '800 3 3 3']).convergedMs).toEqual(
    new Map([['r1', 200]]),
  );
  expect(judge(pushes, ['41 2 2 2', '501 2 2 2', '800 3 3 3']).convergedMs).toEqual(new Map([['r1', 1]]));
  expect(judge(pushes, ['550 1 1 1']).convergedMs).toEqual(new Map([['r1', undefined]]));
});

describe('reading a scrape', () => {
  const head = '# TYPE fault_a untyped\n';
  const labels = 'group="g",instance="",job="faults"';

  test('the values of each family, and the push time', () => {
    const lines = ['fault_a', 'fault_b', 'fault_c'].map(
      (name) =>
        `# TYPE ${name} untyped\n${name}{${labels},x="1"} 7\n${name}{${labels},x="2"} ${name === 'fault_b' ? 8 : 7}\n`,
    );
    const text = `${lines.join('')}# HELP push_time_seconds x\n# TYPE push_time_seconds gauge\npush_time_seconds{${labels}} 1.5e+09\n`;
    expect(readScrape(text).groups.get('g')).toEqual({ content: [7, NaN, 7], pushedMs: 1.5e12 });
  });

  test.for<[what: string, text: string]>([
    ['a family in two places', `${head}fault_a 1\n# TYPE b untyped\nb 1\nfault_a{x="1"} 1\n`],
    ['two TYPE lines', `${head}${head}fault_a 1\n`],
    ['a series twice', `${head}fault_a 1\nfault_a 2\n`],
    ['no TYPE', 'fault_a 1\n'],
    ['half a line', `${head}fault_a 1\nfau`],
    ['no sample', `${head}hello\n`],
    ['no number', `${head}fault_a x\n`],
  ])('invalid: %s', ([, text]) => {
    expect(readScrape(text).invalid).toBeDefined();
  });

  test('renders the pushed families', () => {
    expect(bodyOf('POST', 3)).toBe('fault_b{x="1"} 3\nfault_b{x="2"} 3\n');
    expect(bodyOf('PUT', 3).match(/fault_\w/g)).toHaveLength(6);
  });
});
