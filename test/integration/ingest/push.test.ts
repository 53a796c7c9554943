import { beforeAll, describe, expect, test } from 'vitest';
import { startGateway, type Gateway } from '../../support/servers/gateway.ts';
import { familyHelps, familyTypes, sampleLines, sampleValue, select } from '../../support/metrics-text.ts';
import { startRedis } from '../../support/redis/server.ts';
import { applied } from '../../support/http/request.ts';

// The effect of pushes on groups, as the next scrape shows it.

let gateway: Gateway;

beforeAll(async () => {
  gateway = await startGateway({ redis: await startRedis() });
});

/** The sample lines of a job at the next scrape, without push times. */
async function scraped(job: string): Promise<string[]> {
  const own = `job="${job}"`;
  return sampleLines(await gateway.scrape()).filter((line) => line.includes(own));
}

type Step = readonly [method: 'PUT' | 'POST' | 'DELETE', labels: string, body?: string];

/** Performs the steps on `/metrics/job/JOB…`, each answered 200 (merged), 202 for DELETE. */
async function carryOut(job: string, steps: readonly Step[]): Promise<void> {
  for (const [method, labels, body] of steps) {
    const answer = await gateway.push(`/metrics/job/${job}${labels}`, body, { ...applied, method });
    expect(answer, answer.text).toMatchObject({ status: method === 'DELETE' ? 202 : 200, text: '' });
  }
}

describe('groups', () => {
  const cases: [what: string, steps: Step[], expected: string[]][] = [
    ['PUT stores', [['PUT', '', 'm{a="b"} 1\n']], ['m{a="b",instance="",job="J"} 1']],
    [
      'PUT replaces the whole group',
      [
        ['PUT', '', 'm 1\nn 2\n'],
        ['PUT', '', 'm 3\n'],
      ],
      ['m{instance="",job="J"} 3'],
    ],
    [
      'PUT leaves other groups of the job alone',
      [
        ['PUT', '/a/1', 'm 1\n'],
        ['PUT', '/a/2', 'n 2\n'],
      ],
      ['m{a="1",instance="",job="J"} 1', 'n{a="2",instance="",job="J"} 2'],
    ],
    [
      'POST replaces whole families of the same name, and keeps the others',
      [
        ['PUT', '', 'm{x="1"} 1\nm{x="2"} 2\nn 3\n'],
        ['POST', '', 'm{x="2"} 4\n'],
      ],
      ['m{instance="",job="J",x="2"} 4', 'n{instance="",job="J"} 3'],
    ],
    [
      'an empty POST changes nothing',
      [
        ['PUT', '', 'm 1\n'],
        ['POST', ''],
      ],
      ['m{instance="",job="J"} 1'],
    ],
    [
      'an empty PUT empties the group',
      [
        ['PUT', '', 'm 1\n'],
        ['PUT', ''],
      ],
      [],
    ],
    [
      'DELETE removes the group',
      [
        ['PUT', '', 'm 1\n'],
        ['DELETE', ''],
      ],
      [],
    ],
    [
      'DELETE removes that group only',
      [
        ['PUT', '', 'm 1\n'],
        ['PUT', '/a/b', 'm 2\n'],
        ['DELETE', ''],
      ],
      ['m{a="b",instance="",job="J"} 2'],
    ],
    [
      'a push after DELETE creates a new group',
      [
        ['PUT', '', 'm 1\nn 1\n'],
        ['DELETE', ''],
        ['POST', '', 'm 2\n'],
      ],
      ['m{instance="",job="J"} 2'],
    ],
    [
      'the order of labels in the path does not matter',
      [
        ['PUT', '/a/1/b/2', 'm 1\n'],
        ['PUT', '/b/2/a/1', 'm 2\n'],
      ],
      ['m{a="1",b="2",instance="",job="J"} 2'],
    ],
    [
      'grouping labels win over those of the body',
      [['PUT', '/a/g', 'm{a="x",job="y"} 1\n']],
      ['m{a="g",instance="",job="J"} 1'],
    ],
    ['an instance of the body stays', [['PUT', '', 'm{instance="i"} 1\n']], ['m{instance="i",job="J"} 1']],
    ['an instance of the path wins', [['PUT', '/instance/p', 'm{instance="i"} 1\n']], ['m{instance="p",job="J"} 1']],
    [
      'base64 encodes values that a path cannot contain',
      [['PUT', '/path@base64/L3Zhci90bXA', 'm 1\n']],
      ['m{instance="",job="J",path="/var/tmp"} 1'],
    ],
    [
      'a plus stays a plus, and %20 is a space',
      [['PUT', '/a/x+y%20z', 'm 1\n']],
      ['m{a="x+y z",instance="",job="J"} 1'],
    ],
    [
      'values are formatted as by the official gateway',
      [['PUT', '', 'm{v="1"} 1000000\nm{v="2"} +Inf\nm{v="3"} 0.00001\nm{v="4"} NaN\n']],
      [
        'm{instance="",job="J",v="1"} 1e+06',
        'm{instance="",job="J",v="2"} +Inf',
        'm{instance="",job="J",v="3"} 1e-05',
        'm{instance="",job="J",v="4"} NaN',
      ],
    ],
  ];

  test.for(cases.map((one, i) => [...one, `case${i}`] as const))('%s', async ([, steps, expected, job]) => {
    await carryOut(job, steps);
    expect(await scraped(job)).toEqual(expected.map((line) => line.replace('"J"', `"${job}"`)).toSorted());
  });

  test('each family has one HELP and one TYPE line', async () => {
    const body = '# HELP typed_total A "help" with \\\\ and \\n in it.\n# TYPE typed_total counter\ntyped_total 1\n';
    await carryOut('typed', [
      ['PUT', '/a/1', body],
      ['PUT', '/a/2', body],
    ]);
    const text = await gateway.scrape();
    expect(familyTypes(text).get('typed_total')).toBe('counter');
    expect(familyHelps(text).get('typed_total')).toBe('A "help" with \\\\ and \\n in it.');
    expect(select(text, 'typed_total')).toHaveLength(2);
  });

  test('every sample of every type is served as it was pushed', async () => {
    const body = [
      '# HELP all_seconds h',
      '# TYPE all_seconds histogram',
      'all_seconds_bucket{le="0.5"} 1',
      'all_seconds_bucket{le="+Inf"} 2',
      'all_seconds_sum 3.5',
      'all_seconds_count 2',
      '# TYPE all_rows summary',
      'all_rows{quantile="0.5"} 7',
      'all_rows_sum 8',
      'all_rows_count 9',
      '',
    ].join('\n');
    await carryOut('all', [['PUT', '/instance/i', body]]);
    expect(await scraped('all')).toEqual(
      [
        'all_seconds_bucket{instance="i",job="all",le="0.5"} 1',
        'all_seconds_bucket{instance="i",job="all",le="+Inf"} 2',
        'all_seconds_sum{instance="i",job="all"} 3.5',
        'all_seconds_count{instance="i",job="all"} 2',
        'all_rows{instance="i",job="all",quantile="0.5"} 7',
        'all_rows_sum{instance="i",job="all"} 8',
        'all_rows_count{instance="i",job="all"} 9',
      ].toSorted(),
    );
  });
});

describe('answers', () => {
  test.for(['PUT', 'POST', 'DELETE'] as const)('%s is 202 and empty', async (method) => {
    expect(await gateway.push('/metrics/job/answer', '', { method })).toMatchObject({ status: 202, text: '' });
  });

  test('DELETE of an unknown group is 202', async () => {
    expect((await gateway.delete('/metrics/job/never-seen')).status).toBe(202);
  });

  test('Prefer: wait is answered 200, and the next scrape shows the push', async () => {
    for (let i = 1; i <= 20; i++) {
      expect((await gateway.push('/metrics/job/waited', `waited ${i}\n`, applied)).status).toBe(200);
      expect(sampleValue(await gateway.scrape(), 'waited')).toBe(i);
    }
  });

  test.for(['wait=0', 'respond-async', 'wait=soon'])('Prefer: %s is 202', async (prefer) => {
    expect((await gateway.push('/metrics/job/not-waited', 'm 1\n', { headers: { prefer } })).status).toBe(202);
  });

  test('a trailing slash is the same group', async () => {
    await carryOut('slash', [
      ['PUT', '', 'm 1\n'],
      ['PUT', '/', 'm 2\n'],
    ]);
    expect(await scraped('slash')).toEqual(['m{instance="",job="slash"} 2']);
  });

  test('the scrape has its content type and its length', async () => {
    const { headers, body } = await gateway.request('/metrics?whatever=1');
    expect(headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8; escaping=underscores');
    expect(headers['content-length']).toBe(String(body.length));
  });
});
