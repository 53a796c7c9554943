import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { projectFolder } from '../support/project.ts';
import { runOrThrow } from '../support/process/run.ts';
import { missing } from '../support/process/tools.ts';
import { observe, stateDifference } from './harness/observe.ts';
import { encodeFamilies, TYPES } from './harness/protobuf.ts';
import { Pair, whyNot } from './harness/pair.ts';
import { post, PROTOBUF, put, type Step } from './harness/step.ts';

// docs/migrating.md: copies the state of the official gateway to ours, and back.

const copy = async (from: string, to: string): Promise<string> =>
  await runOrThrow(join(projectFolder, 'examples/copy-groups.sh'), [from, to]);

const histogram =
  '# HELP h A histogram.\n# TYPE h histogram\nh_bucket{le="0.5",x="1"} 1\nh_bucket{le="+Inf",x="1"} 2\nh_sum{x="1"} 1e6\nh_count{x="1"} 2\n';
const steps: readonly Step[] = [
  put('/job/batch', '# HELP a Text with \\\\ and \\n.\n# TYPE a gauge\na 1\na{x="\\"\\\\\\n"} -0.5\n'),
  put('/job/batch/instance/db-1', histogram),
  put('/job/own', 'e{instance="i"} 1\ne 2\n'),
  put('/job/batch/instance/db-2', 'up{x="other"} NaN\nup +Inf\n'),
  put('/job@base64/YS9i/path@base64/L3Zhci90bXA/empty@base64/=', 'c 1e21\n'),
  put('/job/%C3%A9/x/a%20b+c', '# TYPE s summary\ns{quantile="0.5"} 1\ns_sum 2\ns_count 3\n'),
  post('/job/nothing'),
  put('/job/pb', encodeFamilies({ name: 'd', type: TYPES.counter, metric: [{ counter: { value: 1 } }] }), PROTOBUF),
];

describe.for([
  ['latest', [], []],
  ['1.5.1', [], []],
  [
    'latest',
    ['--push.enable-utf8-names'],
    [put('/job/utf8/U__x_2e_y__z/1', '# TYPE "my.metric" gauge\n{"my.metric","l.l"="1"} 1\n')],
  ],
] as const)('the state of the official gateway, %s %s', ([release, flags, more]) => {
  test('is copied to ours, and back', async ({ skip }) => {
    skip(...whyNot(release));
    skip(...missing('python3'));
    const pair = await Pair.start(release, { flags });
    const { ours, official } = pair;
    for (const step of [...steps, ...more]) expect((await pair.sendToOfficial(step)).status, step.path).toBe(200);
    const before = await observe(official.url);

    expect(await copy(official.url, ours.url)).toBe(`${steps.length + more.length} groups copied, 0 refused\n`);
    await expect.poll(async () => stateDifference(await observe(ours.url), before), { timeout: 5_000 }).toBeUndefined();

    const fresh = await Pair.start(release, { flags });
    await copy(ours.url, fresh.official.url);
    expect(stateDifference(await observe(fresh.official.url), before)).toBeUndefined();
  });
});

test('refused groups are reported', async ({ skip }) => {
  skip(...whyNot('latest'));
  skip(...missing('python3'));
  const pair = await Pair.start('latest');
  await pair.sendToOfficial(put('/job/j', '# TYPE a gauge\na 1\n'));
  await pair.sendToOurs(put('/job/k', '# TYPE a counter\na 1\n'));
  await expect(copy(pair.official.url, pair.ours.url)).rejects.toThrow(/'job': 'j'.*400 pushed metrics are invalid/);
});
