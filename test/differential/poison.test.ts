import { describe, expect, test } from 'vitest';
import { request as send } from '../support/http/request.ts';
import { expositionFaults, observe } from './harness/observe.ts';
import { whyNot, type Pair, type Reply } from './harness/pair.ts';
import { encodeFamilies, TYPES, varint, type Message } from './harness/protobuf.ts';
import { pairOf } from './harness/run-case.ts';
import { del, get, gzip, GZIP, post, PROTOBUF, put, type Step } from './harness/step.ts';

// Pushes that break the official gateway for all clients: scrapes fail, or later pushes are refused. Ours continues to
// work.

const J = '/job/j';
const pb = (path: string, ...families: readonly Message[]): Step => put(path, encodeFamilies(...families), PROTOBUF);
const one = (name: string | Uint8Array, type: number = TYPES.gauge): Message => {
  return { name, type, metric: [{ gauge: { value: 1 } }] };
};
const NOT_UTF8 = Buffer.from([0xff]).toString('base64url');

/**
 * The last step is the poison. `breaks`: the answer of the official gateway to a following scrape or push of another
 * client.
 */
type Poison = readonly [name: string, steps: readonly Step[], breaks?: RegExp];

// prettier-ignore
const poisons: readonly Poison[] = [
  ['instance@base64/= beside the same group without', [put(J, 'a 1\n'), put(`${J}/instance@base64/=`, 'b 1\n')], /before with the same name and label values/],
  ['the same, the other way', [put(`${J}/instance@base64/=`, 'b 1\n'), put(J, 'a 1\n')], /before with the same name and label values/],
  ['the same as empty groups', [put(`${J}/x/1/instance@base64/=`), put(`${J}/x/1`)], /before with the same name and label values/],
  ['the same, as a failure', [put(J, 'a 1\n'), put(`${J}/instance@base64/=`, 'b 1 1\n')], /before with the same name and label values/],
  ['a path that is not UTF-8', [put(`${J}/x/%ff`, 'a 1\n')], /not utf8/],
  ['a job that is not UTF-8', [put('/job/%c3%28', 'a 1\n')], /not utf8/],
  ['base64 that is not UTF-8', [put(`${J}/x@base64/${NOT_UTF8}`, 'a 1\n')], /not utf8/],
  ['a protobuf name with a newline', [pb(J, one('a 1\nevil{} 1\n# '))]],
  ['protobuf without a name', [pb(J, one(''))]],
  ['protobuf of an unknown type', [pb(J, one('a', 99))]],
  ['a protobuf name that is not UTF-8', [pb(J, one(Buffer.from([0x61, 0xff])))]],
  ['a protobuf help that is not UTF-8', [pb(J, { ...one('a'), help: Buffer.from([0xff]) })]],
  ['an empty push_failure_time_seconds', [put(J, 'a 1\n'), pb(J, { name: 'push_failure_time_seconds', type: TYPES.gauge })]],
  ['a pushed push_failure_time_seconds', [put(J, 'a 1\n'), put(J, '# TYPE push_failure_time_seconds summary\npush_failure_time_seconds_sum 1\n')]],
  ['a length of 4 GB', [put(J, Buffer.concat([varint(2 ** 32 - 1), Buffer.from('x')]), PROTOBUF)]],
  ['labels in braces without a name', [put(J, '{} 1\n'), put(J, 'a 1\n{b="c"} 1\n')]],
  ['an empty family of another type', [pb(J, { name: 'a', type: TYPES.gauge }), put('/job/k', 'a 1\n')]],
  ['a metric of another type, in two groups', [put(J, '# TYPE a gauge\na 1\n'), pb('/job/k', { ...one('a', TYPES.counter) })]],
  ['two buckets of one bound', [put(J, '# TYPE h histogram\nh_bucket{le="1"} 1\nh_bucket{le="1.0"} 2\nh_count 3\n')]],
  ['two values of one quantile', [put(J, '# TYPE s summary\ns{quantile="0.5"} 1\ns{quantile=".5"} 2\n')]],
  ['a grouping label le and a histogram', [put(`${J}/le/1`, '# TYPE h histogram\nh_bucket{le="1"} 1\nh_count 3\n')]],
  ['a native histogram that Prometheus refuses', [pb(J, { name: 'h', type: TYPES.histogram, metric: [{ histogram: { count: 1, sum: 1, schema: 99, positiveSpan: [{ offset: 0, length: 3 }], positiveDelta: [1] } }] })]],
  ['a base64 job that is wrong', [put('/job@base64/abcde', 'a 1\n'), del('/job@base64/abcde'), put('/job@base64/YQ', 'a 1\n')]],
  ['truncated gzip', [put(J, gzip('a 1\n').subarray(0, -4), GZIP)]],
  ['a family with the name of our own', [put(J, '# TYPE go_goroutines counter\ngo_goroutines 1\n# TYPE process_cpu_seconds_total gauge\nprocess_cpu_seconds_total 1\n')]],
];

const unchecked: readonly Poison[] = [
  [
    'a type in conflict',
    [put(J, '# TYPE a gauge\na 1\n'), put('/job/k', '# TYPE a counter\na 1\n')],
    /is not a|should be a/,
  ],
  ['x_sum beside summary x', [put(J, '# TYPE x summary\nx_count 1\n'), put('/job/k', 'x_sum 1\n')], /collides/],
  ['a series of two groups', [put(`${J}/x/1`, 'a 1\n'), put(J, 'a{x="1"} 2\n')], /before with the same/],
  ['a series twice', [put(J, 'a 1\na 2\n')], /before with the same/],
  ['instance@base64/= beside none', [put(J, 'a 1\n'), put(`${J}/instance@base64/=`, 'b 1\n')], /before with the same/],
];

describe.for([
  ['checked', [], poisons],
  ['unchecked', ['--push.disable-consistency-check'], unchecked],
] as const)('%s', ([mode, flags, sequences]) => {
  const pair = pairOf('latest', { flags });

  test.for(sequences)('%s', async ([, steps, breaks], { skip }) => {
    skip(...whyNot('latest'));
    const both = pair();
    await both.wipe();
    expect((await both.sendToOurs(put('/job/before', 'before 1\n'))).status).toBe(200);
    const answers: Reply[] = [];
    for (const step of steps) answers.push(await both.sendToOurs(step));
    // Conflicting groups are reported. An invalid push is only reported to its sender.
    const poison = steps.at(-1);
    if (answers.at(-1)?.text.startsWith('pushed metrics are') === true) {
      expect(both.ours.process.log().split('push refused').at(-1)).toContain(poison?.path ?? '');
    }

    expect((await observe(both.ours.url)).faults).toEqual([]);
    for (const step of [put('/job/other/x/1', 'other 1\n'), post('/job/before', 'more 1\n'), del('/job/other/x/1')]) {
      expect((await both.sendToOurs(step)).status, step.path).toBe(step.method === 'DELETE' ? 202 : 200);
    }
    const { text } = await both.sendToOurs(get('/metrics'));
    expect(expositionFaults(text)).toEqual([]);
    expect(text).toContain('before{instance="",job="before"} 1\n');
    expect(text).toContain('more{instance="",job="before"} 1\n');

    if (breaks === undefined) return;
    // The official gateway breaks. If it no longer does, move this case to random.test.ts.
    for (const step of steps) await both.sendToOfficial(step);
    const scraped = await both.sendToOfficial(get('/metrics'));
    const pushed = await both.sendToOfficial(put('/job/other', 'other 1\n'));
    expect(`${scraped.status} ${scraped.text}\n${pushed.status} ${pushed.text}`).toMatch(breaks);
    await repair(both);
  });

  // With checks, nothing is kept out.
  if (mode === 'checked') return;
  test('kept-out families are reported', async ({ skip }) => {
    skip(...whyNot('latest'));
    const both = pair();
    await both.wipe();
    for (const step of unchecked[0]?.[1] ?? []) await both.sendToOurs(step);
    await both.sendToOurs(put('/job/twice', 'b 1\nb 1\n'));
    const telemetry = await both.ours.telemetry();
    expect(telemetry).toMatch(/^pushgateway_snapshot_kept_out_families [1-9]/m);
    expect(telemetry).toMatch(/^pushgateway_snapshot_kept_out\{family="a",group=".*job=\\"k\\".*",reason="type"\} 1$/m);
    const log = both.ours.process.log();
    expect(log).toMatch(/family kept out of \/metrics.*family=a group=.*job=.*k.*reason=type/);
    expect(log).toMatch(/push refused.*\/metrics\/job\/twice.*status=202.*collected before/);
  });
});

/** The official gateway still accepts deletions. */
async function repair(both: Pair): Promise<void> {
  await both.wipe();
  expect((await send(both.official.url, '/metrics')).status).toBe(200);
}
