import { beforeAll, describe, expect, test } from 'vitest';
import { startGateway, type Gateway } from '../../support/servers/gateway.ts';
import { familyTypes, sampleLines, samples } from '../../support/metrics-text.ts';
import { startRedis } from '../../support/redis/server.ts';
import { applied } from '../../support/http/request.ts';

// POST /ingest: every series of the body is stored or renewed separately.

let gateway: Gateway;

beforeAll(async () => {
  gateway = await startGateway({ redis: await startRedis() });
});

/** Pushes the bodies one after the other. Returns the sample lines of the families in them. */
async function stored(name: string, ...bodies: string[]): Promise<string[]> {
  for (const body of bodies) {
    const answer = await gateway.ingest(body.replaceAll('NAME', name), applied);
    expect(answer, answer.text).toMatchObject({ status: 200, text: '' });
  }
  return sampleLines(await gateway.scrape()).filter((line) => line.startsWith(name));
}

describe('series', () => {
  const cases: [what: string, bodies: string[], expected: string[]][] = [
    ['no label is added', ['NAME 1\nNAME{a="b"} 2\n'], ['NAME 1', 'NAME{a="b"} 2']],
    ['a second body adds to the first', ['NAME{a="1"} 1\n', 'NAME{a="2"} 2\n'], ['NAME{a="1"} 1', 'NAME{a="2"} 2']],
    [
      'a series that is pushed again is renewed, the others stay',
      ['NAME{a="1"} 1\nNAME{a="2"} 2\n', 'NAME{a="2"} 3\n'],
      ['NAME{a="1"} 1', 'NAME{a="2"} 3'],
    ],
    [
      'families with the same labels are separate',
      ['NAME_a{x="y"} 1\nNAME_b{x="y"} 2\n', 'NAME_b{x="y"} 3\n'],
      ['NAME_a{x="y"} 1', 'NAME_b{x="y"} 3'],
    ],
    [
      'the order of labels does not matter',
      ['NAME{a="1",b="2"} 1\n', 'NAME{b="2",a="1"} 2\n'],
      ['NAME{a="1",b="2"} 2'],
    ],
    ['job and instance are labels like others', ['NAME{job="j",instance="i"} 1\n'], ['NAME{instance="i",job="j"} 1']],
    ['an empty body stores nothing', [''], []],
    [
      'a histogram is one series',
      [
        '# TYPE NAME histogram\nNAME_bucket{a="b",le="1"} 1\nNAME_bucket{a="b",le="+Inf"} 2\nNAME_sum{a="b"} 3\nNAME_count{a="b"} 2\n',
        '# TYPE NAME histogram\nNAME_bucket{a="b",le="+Inf"} 5\nNAME_sum{a="b"} 6\nNAME_count{a="b"} 5\n',
      ],
      ['NAME_bucket{a="b",le="+Inf"} 5', 'NAME_count{a="b"} 5', 'NAME_sum{a="b"} 6'],
    ],
  ];

  test.for(cases.map((one, i) => [...one, `series${i}`] as const))('%s', async ([, bodies, expected, name]) => {
    expect(await stored(name, ...bodies)).toEqual(expected.map((line) => line.replaceAll('NAME', name)));
  });
});

test('the type is shown once, even if the series are in different shards', async () => {
  const lines = Array.from({ length: 200 }, (_, i) => `spread_total{i="${String(i).padStart(3, '0')}"} ${i}`);
  expect(await stored('spread_total', `# TYPE spread_total counter\n${lines.join('\n')}\n`)).toEqual(lines);
  expect(familyTypes(await gateway.scrape()).get('spread_total')).toBe('counter');
});

test('groups of /ingest have no push times', async () => {
  await stored('timeless', 'NAME{job="timeless"} 1\n');
  expect(samples(await gateway.scrape()).filter(({ labels }) => labels['job'] === 'timeless')).toHaveLength(1);
});

test('pushed push times are ignored', async () => {
  const body =
    'push_time_seconds{job="timed"} 1\n# TYPE push_failure_time_seconds counter\npush_failure_time_seconds 2\n';
  expect(await stored('timed', `${body}NAME{job="timed"} 3\n`)).toEqual(['timed{job="timed"} 3']);
  expect(await gateway.ingest(body, applied)).toMatchObject({ status: 200 });
  const [sample, ...others] = samples(await gateway.scrape()).filter(({ name }) => /^(timed|push_)/.test(name));
  expect(sample).toMatchObject({ name: 'timed', value: 3 });
  expect(others).toEqual([]);
});

test('without Prefer: wait the answer is 202', async () => {
  expect(await gateway.ingest('quick 1\n')).toMatchObject({ status: 202, text: '' });
  await expect.poll(async () => sampleLines(await gateway.scrape())).toContain('quick 1');
});

test.for([
  ['a timestamp', 'bad 1 1600000000000\n', /timestamp/],
  ['the same series twice', 'bad{a="b"} 1\nbad{a="b"} 2\n', /collected before/],
  ['malformed text', 'bad{a="b" 1\n', /line 2/],
] as const)('%s: 400, and nothing of the body is stored', async ([, body, reason]) => {
  const answer = await gateway.ingest(`good{a="1"} 1\n${body}`, applied);
  expect(answer.status).toBe(400);
  expect(answer.text).toMatch(reason);
  expect(sampleLines(await gateway.scrape()).filter((line) => /^(good|bad)/.test(line))).toEqual([]);
});
